"""Behind `up`, `down`, `serve`, `status` and `engine`: the daemon as a process to start, ask and end."""
