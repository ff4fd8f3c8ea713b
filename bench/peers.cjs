// The comparison behind scripts/bench-peers: for each model and thread count, rounds of `hone bench` and ONNX Runtime
// in turn, each in a process of its own; the figures are medians of the rounds' medians.
'use strict';
const {execFileSync} = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const root = path.join(__dirname, '..');
const hone = path.join(root, 'build/release/bin/hone');

function parse(argv) {
  const options = {models: [], threads: [1, 2], seconds: 2, rounds: 5, json: false, batch: 1};
  for (let i = 0; i < argv.length; ++i) {
    if (argv[i] === '--json') options.json = true;
    else if (argv[i] === '--threads') options.threads = argv[++i].split(',').map(Number);
    else if (argv[i] === '--seconds') options.seconds = Number(argv[++i]);
    else if (argv[i] === '--rounds') options.rounds = Number(argv[++i]);
    else if (argv[i] === '--batch') options.batch = Number(argv[++i]);
    else if (argv[i].startsWith('-')) { console.error(`bench-peers: unknown option ${argv[i]}`); process.exit(2); }
    else options.models.push(argv[i]);
  }
  return options;
}

// The models of the data folder's exporter, FP32 and, quantized by Hone with random images, INT8.
function defaultModels() {
  const data = process.env.HONE_DATA || path.join(root, '../shared');
  const exporter = path.join(data, 'tools/export_models.py');
  const folder = path.join(root, 'build/peers/models');
  const names = ['resnet18', 'resnet50', 'mobilenet_v2', 'squeezenet1_1'];
  if (names.some(name => !fs.existsSync(path.join(folder, name + '.onnx')))) {
    if (!fs.existsSync(exporter)) {
      console.error('bench-peers: no models given and no export_models.py; pass ONNX files as arguments');
      process.exit(2);
    }
    execFileSync('/usr/bin/python3', [exporter, folder, ...names], {stdio: 'inherit'});
  }
  const models = [];
  for (const name of names) {
    const fp32 = path.join(folder, name + '.onnx'), int8 = path.join(folder, name + '.int8.onnx');
    if (!fs.existsSync(int8)) execFileSync(hone, ['quantize', fp32, '--random-data', '-o', int8], {stdio: 'ignore'});
    models.push(fp32, int8);
  }
  return models;
}

const median = list => { const sorted = [...list].sort((a, b) => a - b); return sorted[sorted.length >> 1]; };

function measure(model, threads, options, scratch) {
  const ours = [], theirs = [];
  let inputs, first;
  for (let round = 0; round < options.rounds; ++round) {
    const report = JSON.parse(execFileSync(hone, ['bench', model, '--threads', threads, '--batch', options.batch, '--seconds',
      options.seconds, '--json'], {maxBuffer: 1 << 28}));
    inputs = report.inputs;
    ours.push(report.median_ms);
    const job = path.join(scratch, 'job.json');
    fs.writeFileSync(job, JSON.stringify({model, threads, inputs, seconds: options.seconds}));
    const peer = JSON.parse(execFileSync('node', [path.join(__dirname, 'onnxruntime.cjs'), job]));
    theirs.push(peer.median_ms);
    first = peer;
  }
  const a = median(ours), b = median(theirs);
  return {model: path.basename(model, '.onnx'), threads, hone_ms: a, onnxruntime_ms: b, ratio: b / a, version: first.version};
}

const options = parse(process.argv.slice(2));
if (options.models.length === 0) options.models = defaultModels();
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hone-peers-'));
const rows = [];
for (const model of options.models)
  for (const threads of options.threads) {
    const row = measure(path.resolve(model), threads, options, scratch);
    rows.push(row);
    if (!options.json)
      console.log(`| ${row.model} | ${threads} | ${row.hone_ms.toFixed(3)} | ${row.onnxruntime_ms.toFixed(3)} | ${row.ratio.toFixed(2)} |`);
    else console.error(`${row.model} ${threads} threads: ${row.ratio.toFixed(2)}`);
  }
const mean = Math.exp(rows.reduce((sum, row) => sum + Math.log(row.ratio), 0) / rows.length);
if (options.json) console.log(JSON.stringify({geometric_mean: mean, rows}, null, 1));
else console.log(`geometric mean of ONNX Runtime / Hone: ${mean.toFixed(2)}  (model | threads | Hone ms | ONNX Runtime ms | ratio)`);
fs.rmSync(scratch, {recursive: true});
