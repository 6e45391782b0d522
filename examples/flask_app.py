"""Flask: `flask --app examples/flask_app.py run`, then look into ./spantap.db."""

from flask import Flask, request

import spantap

app = Flask(__name__)
spantap.instrument_app(app)


@app.post("/login")
def login() -> dict[str, str]:
    name = request.get_json()["name"]
    spantap.current().user(name)
    return {"hello": name, "access_token": "not for your eyes"}
