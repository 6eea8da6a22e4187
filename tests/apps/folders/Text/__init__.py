def main(message, text: str) -> int:
    message.set({"body": text})
    return len(message.get()["body"])
