"""The Faust shell: topics in, verdicts out; Faust is known nowhere else."""
