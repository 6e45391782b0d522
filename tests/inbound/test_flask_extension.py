"""spantap.Spantap: a Flask extension, with several stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy.orm import DeclarativeBase

import spantap
from spantap.export.csv import CSVSink
from spantap.export.jsonl import JSONLSink
from spantap.export.retention import Retention
from spantap.export.sql import SQLSink
from spantap.export.sql_model import ExchangeMixin
from spantap.export.sqlite import SQLiteSink
from spantap.model import ConfigurationError

PROVIDER: Any = TracerProvider(shutdown_on_exit=False)


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Traffic(ExchangeMixin, db.Model):  # type: ignore[name-defined, misc]
    __tablename__ = "traffic"


class Order(db.Model):  # type: ignore[name-defined, misc]
    id = db.Column(db.Integer, primary_key=True)


def ended(traffic: spantap.Spantap) -> dict[str, int]:
    """Everything delivered, and capture over; destination -> exchanges it took."""
    handle = traffic.handle
    assert handle is not None
    assert handle.flush(30)
    exported = {name: each.exported for name, each in handle.stats().destinations.items()}
    handle.shutdown(1)
    return exported


def test_a_factory_with_several_stores(tmp_path: Path) -> None:
    """Each store gets every exchange, the app's own model among them; the app's session is its own."""
    traffic = spantap.Spantap(tracer_provider=PROVIDER)

    def create_app() -> Flask:
        app = Flask(__name__, instance_path=str(tmp_path))
        app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path / 'app.db'}"
        app.config["SPANTAP"] = {"preset": "metadata"}
        db.init_app(app)
        with app.app_context():
            db.create_all()
            stores = [
                SQLSink(engine=db.engine, model=Traffic),
                SQLiteSink(tmp_path / "t.db", retention=Retention(max_rows=9)),
                CSVSink(tmp_path / "t.csv"),
            ]
            traffic.init_app(app, stores=stores)

        @app.get("/orders")
        def orders() -> str:
            db.session.add(Order())
            db.session.flush()
            db.session.rollback()
            return str(db.session.query(Order).count())

        return app

    apps = [create_app(), create_app()]
    assert apps[0].extensions["spantap"] is traffic
    answers = [app.test_client().get("/orders", buffered=True) for app in apps]

    assert [(each.status_code, each.text) for each in answers] == [(200, "0")] * 2
    assert ended(traffic) == {"sql": 2, "sqlite": 2, "csv": 2}
    assert [each.request.path for each in SQLiteSink(tmp_path / "t.db").read()] == ["/orders"] * 2
    with apps[0].app_context():
        rows = db.session.query(Traffic).all()
        assert [(row.method, row.path, row.route, row.status) for row in rows] == [
            ("GET", "/orders", "/orders", 200)
        ] * 2
        db.session.rollback()
    for app in apps:
        with app.app_context():
            db.engine.dispose()


def test_an_app_at_once_and_one_store(tmp_path: Path) -> None:
    """As the constructor's argument, without a list."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "hello")
    traffic = spantap.Spantap(app, JSONLSink(tmp_path / "t.jsonl"), tracer_provider=PROVIDER)

    assert app.test_client().get("/", buffered=True).text == "hello"
    assert ended(traffic) == {"jsonl": 1}


def test_a_second_app_with_other_stores(tmp_path: Path) -> None:
    """There is one capture per process: an error says so, and the first goes on."""
    first, second = Flask("first"), Flask("second")
    traffic = spantap.Spantap(stores=SQLiteSink(tmp_path / "a.db"), tracer_provider=PROVIDER)
    traffic.init_app(first)
    try:
        with pytest.raises(ConfigurationError, match="runs with"):
            traffic.init_app(second, stores=[SQLiteSink(tmp_path / "b.db")])
        traffic.init_app(second)
    finally:
        ended(traffic)
