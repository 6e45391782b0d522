"""FastAPI: `uvicorn examples.fastapi_app:app`, then look into ./spantap.db."""

from fastapi import FastAPI
from pydantic import BaseModel

import spantap

app = FastAPI()
spantap.instrument_app(app)


class Login(BaseModel):
    name: str
    password: str


@app.post("/login")
def login(form: Login) -> dict[str, str]:
    spantap.current().user(form.name)
    return {"hello": form.name, "access_token": "not for your eyes"}


@app.get("/healthz")
def healthy() -> str:
    return "yes"  # not captured: a health check
