"""What is told of a run: records, the journal, the terminal matrix, the HTML page, Allure."""
