"""The console command `observance`: files in, explanations and pictures out."""
