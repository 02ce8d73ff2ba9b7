"""Looking at things while they change: the outbox, inquiries, workflows."""
