// The saga for Restate: four durable steps, each a POST to the endpoint that the other products' sagas call.

// The SDK wants Node 22.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((kept, broken) => { resolve = kept; reject = broken; });
  return { promise, resolve, reject };
};

const { default: http } = await import("node:http");
const restate = await import("@restatedev/restate-sdk");

const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
const endpoint = new URL(process.env.ENDPOINT);

function invoke(name, order) {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify(order);
    const request = http.request({
      agent, method: "POST", hostname: endpoint.hostname, port: endpoint.port,
      path: `/2015-03-31/functions/${name}/invocations`,
      headers: { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) },
    }, (response) => {
      let text = "";
      response.on("data", (piece) => { text += piece; });
      response.on("end", () => resolve(JSON.parse(text)));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const saga = restate.service({
  name: "saga",
  handlers: {
    run: async (context, order) => {
      let state = order;
      for (const step of ["createOrder", "processPayment", "reserveInventory", "startDelivery"]) {
        const given = state;
        state = await context.run(step, () => invoke(step, given));
      }
      return state;
    },
  },
});

restate.serve({ services: [saga], port: Number(process.env.PORT) });
