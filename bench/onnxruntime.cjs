// Runs a model in ONNX Runtime, for comparison. usage: node onnxruntime.cjs JOB.json
// JOB: {"model": path, "threads": n, "inputs": [{"name", "type", "dims", "file"?}], "seconds": s?, "outputs": dir?}
// An input without a file is filled with seeded random numbers. With "outputs" each output is written raw to DIR/i.bin
// and described on stdout; with "seconds" the latency is measured and printed. Needs the npm package onnxruntime-node:
// NODE_PATH tells where it is.
'use strict';
const fs = require('fs');
const path = require('path');
// Before the runtime is loaded: what Node itself holds.
const base = process.resourceUsage().maxRSS / 1024;
const ort = require('onnxruntime-node');

const arrays = {
  float32: Float32Array, uint8: Uint8Array, int8: Int8Array, int32: Int32Array, int64: BigInt64Array, float64: Float64Array,
  bool: Uint8Array, uint16: Uint16Array, int16: Int16Array, uint32: Uint32Array, uint64: BigUint64Array, float16: Uint16Array,
};

function random(type, count) {
  const data = new arrays[type](count);
  let state = 12345;
  for (let i = 0; i < count; ++i) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    if (type.startsWith('float')) data[i] = (state / 4294967296) * 2 - 1;
    else if (type.endsWith('64')) data[i] = BigInt(state >>> 24);
    else data[i] = state >>> 24;
  }
  return data;
}

function tensor(input) {
  const count = input.dims.reduce((a, b) => a * b, 1);
  let data;
  if (input.file) {
    const bytes = fs.readFileSync(input.file);
    const copy = new Uint8Array(bytes);  // aligned
    data = new arrays[input.type](copy.buffer, 0, count);
  } else {
    data = random(input.type, count);
  }
  return new ort.Tensor(input.type, data, input.dims);
}

async function main() {
  const job = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
  const begin = process.hrtime.bigint();
  const session = await ort.InferenceSession.create(job.model, {
    intraOpNumThreads: job.threads || 1, interOpNumThreads: 1, graphOptimizationLevel: 'all', logSeverityLevel: 3,
  });
  const feeds = {};
  job.inputs.forEach((input, i) => { feeds[input.name || session.inputNames[i]] = tensor(input); });
  let results = await session.run(feeds);
  const first = Number(process.hrtime.bigint() - begin) / 1e6;
  const report = {version: ort.env.versions ? ort.env.versions.node : '', load_and_first_ms: first, base_rss_mb: base};
  if (job.outputs) {
    report.outputs = session.outputNames.map((name, i) => {
      const value = results[name];
      fs.writeFileSync(path.join(job.outputs, i + '.bin'), Buffer.from(value.data.buffer, value.data.byteOffset, value.data.byteLength));
      return {name, type: value.type, dims: value.dims.map(Number)};
    });
  }
  if (job.seconds) {
    const times = [];
    const end = Date.now() + job.seconds * 1000;
    for (let i = 0; i < 3; ++i) results = await session.run(feeds);
    while (Date.now() < end || times.length < 5) {
      const t = process.hrtime.bigint();
      results = await session.run(feeds);
      times.push(Number(process.hrtime.bigint() - t) / 1e6);
    }
    times.sort((a, b) => a - b);
    report.median_ms = times[times.length >> 1];
    report.best_ms = times[0];
    report.runs = times.length;
  }
  report.max_rss_mb = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify(report));
}

if (require.main === module) main().catch(error => { console.error(String(error.message || error)); process.exit(1); });
module.exports = {ort, tensor};
