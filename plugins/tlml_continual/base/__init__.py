"""What algorithms share: how a batch is looked at, what is held on to, what is watched."""
