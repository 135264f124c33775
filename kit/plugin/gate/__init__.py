"""What a run is to be judged by, as options and files give it: baseline, level, earlier run, floor."""
