"""What a day came to, for people who count: in figures, as CSV, as XLSX and by e-mail."""
