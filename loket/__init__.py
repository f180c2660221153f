"""The payroll package's API: read what Loket.nl says of an employer, a user and its rights; never write."""
