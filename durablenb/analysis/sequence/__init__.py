"""What was said in an orchestration, as a sequence diagram."""
