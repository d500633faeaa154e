"""The Airbyte entry point: `python main.py spec | check | discover | read`."""

from source_klaviyo.run import run

if __name__ == "__main__":
    run()
