"""The front door: settings and the one command. Nothing else imports this package."""
