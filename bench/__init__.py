"""`make bench`: what the pipeline costs, beside what PostgreSQL alone and other tools cost on the same machine."""
