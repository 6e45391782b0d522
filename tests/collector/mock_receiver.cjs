// Elastic's mock OTLP server on free ports of the loopback. Prints where it listens, then a line of JSON for
// each span: its id, its kind, and its attributes that are text.
const { MockOtlpServer } = require("@elastic/mockotlpserver");

const hex = (id) => (typeof id === "string" ? id : Buffer.from(id).toString("hex"));
const print = (object) => process.stdout.write(JSON.stringify(object) + "\n");

const server = new MockOtlpServer({
  log: { trace() {}, debug() {}, info() {}, warn() {}, error: console.error },
  services: ["http", "grpc"],
  httpHostname: "127.0.0.1",
  httpPort: 0,
  grpcHostname: "127.0.0.1",
  grpcPort: 0,
  onTrace: (request) => {
    for (const resource of request.resourceSpans)
      for (const scope of resource.scopeSpans)
        for (const span of scope.spans)
          print({
            spanId: hex(span.spanId),
            kind: span.kind,
            attributes: Object.fromEntries(span.attributes.map((each) => [each.key, each.value.stringValue])),
          });
  },
});
server.start().then(() => print({ http: server.httpUrl, grpc: server.grpcUrl }));
