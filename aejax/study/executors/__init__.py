"""Where populations are executed: in this process, on a Ray cluster, by Slurm."""
