// The models, run by onnxruntime on one thread.
import * as ort from "../vendor/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("../vendor/", import.meta.url).href;
ort.env.wasm.numThreads = 1;

/** Whether this browser can run the models. */
export function isSupported() {
  return typeof WebAssembly === "object";
}

/** A model of a file, ready to run. */
export async function loadModel(url) {
  return new Model(await ort.InferenceSession.create(url.href, { executionProviders: ["wasm"] }));
}

class Model {
  #session;
  #last = Promise.resolve();

  constructor(session) {
    this.#session = session;
  }

  /** Outputs by name of one image, Float32Array in rows, of `side` pixels and `channels`. */
  run(pixels, side, channels) {
    // A session takes one image at a time.
    this.#last = this.#last.catch(() => {}).then(async () => {
      const image = new ort.Tensor("float32", pixels, [1, side, side, channels]);
      const outputs = await this.#session.run({ [this.#session.inputNames[0]]: image });
      return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
    });
    return this.#last;
  }
}
