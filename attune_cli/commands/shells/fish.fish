function __attune
    set -l tokens (commandline -opc) (commandline -ct)
    for line in (sh -c $__attune_walk attune $tokens[2..-1])
        switch $line
            case :files
                set -l token (commandline -ct)
                set -l base (string replace -r '^.*=@' '' -- $token)
                set -l start (string sub -l (math (string length -- $token) - (string length -- $base)) -- $token)
                for file in $base*
                    test -d $file; and set file $file/
                    echo $start$file
                end
            case :dirs
                __fish_complete_directories (commandline -ct)
            case '*'
                echo $line
        end
    end
end
complete -c attune -f -a '(__attune)'
