"""The headless command line: arguments in, text out, exit status. No terminal toolkit is imported here, ever."""
