"""What evaluation writes: tables, pictures and reports."""
