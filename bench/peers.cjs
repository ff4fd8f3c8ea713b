// The comparison behind scripts/bench-peers: for each model, precision, batch and thread count, rounds of `hone bench` and ONNX
// Runtime in turn, each in a process of its own; the figures are medians of the rounds' medians. HONE_PROGRAM: another hone.
'use strict';
const {execFileSync} = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const root = path.join(__dirname, '..');
const hone = process.env.HONE_PROGRAM || path.join(root, 'build/release/bin/hone');
const data = process.env.HONE_DATA || path.join(root, '../shared');
const exported = ['resnet18', 'resnet50', 'mobilenet_v2', 'mobilenet_v3_large', 'squeezenet1_1', 'efficientnet_b0', 'shufflenet_v2_x1_0',
  'googlenet', 'densenet121', 'vgg16', 'inception_v3', 'regnet_y_400mf', 'convnext_tiny', 'vit_b_16', 'lraspp_mnv3', 'deeplabv3_mnv3',
  'fcn_resnet50', 'ssdlite320_raw', 'ssdlite320_full', 'ssd300_vgg16'];
const few = ['resnet18', 'resnet50', 'mobilenet_v2', 'squeezenet1_1'];

function fail(message) {
  console.error(`bench-peers: ${message}`);
  process.exit(2);
}

function parse(argv) {
  const options = {models: [], threads: [1, 2], batch: [1], precision: ['fp32', 'int8'], seconds: 2, rounds: 5, json: false, all: false,
    throughput: false};
  for (let i = 0; i < argv.length; ++i) {
    const numbers = () => argv[++i].split(',').map(Number);
    if (argv[i] === '--json') options.json = true;
    else if (argv[i] === '--all') options.all = true;
    else if (argv[i] === '--throughput') options.throughput = true;
    else if (argv[i] === '--threads') options.threads = numbers();
    else if (argv[i] === '--batch') options.batch = numbers();
    else if (argv[i] === '--precision') options.precision = argv[++i].split(',');
    else if (argv[i] === '--seconds') options.seconds = Number(argv[++i]);
    else if (argv[i] === '--rounds') options.rounds = Number(argv[++i]);
    else if (argv[i].startsWith('-')) fail(`unknown option ${argv[i]}`);
    else options.models.push(path.resolve(argv[i]));
  }
  return options;
}

function onnxFiles(folder) {
  if (!fs.existsSync(folder)) return [];
  return fs.readdirSync(folder, {withFileTypes: true}).flatMap(entry => {
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? onnxFiles(file) : entry.name.endsWith('.onnx') ? [file] : [];
  });
}

// The models of the data folder's exporter (--all: every one of them, and the real models in the data folder).
function defaultModels(all) {
  const exporter = path.join(data, 'tools/export_models.py'), folder = path.join(root, 'build/peers/models');
  const models = [];
  for (const name of all ? exported : few) {
    const file = path.join(folder, name + '.onnx');
    if (!fs.existsSync(file)) {
      if (!fs.existsSync(exporter)) fail('no models given and no export_models.py; pass ONNX files as arguments');
      try {
        execFileSync('/usr/bin/python3', [exporter, folder, name], {stdio: ['ignore', 'ignore', 'ignore']});
      } catch (error) {
        console.error(`bench-peers: export_models.py cannot write ${name} here; left out`);
        continue;
      }
    }
    models.push(file);
  }
  return all ? models.concat(onnxFiles(path.join(data, 'models'))) : models;
}

// The model quantized by Hone with random images: the same file for both.
function quantized(model) {
  const folder = path.join(root, 'build/peers/int8'), file = path.join(folder, path.basename(model, '.onnx') + '.int8.onnx');
  fs.mkdirSync(folder, {recursive: true});
  if (!fs.existsSync(file)) {
    try {
      execFileSync(hone, ['quantize', model, '--random-data', '-o', file], {stdio: ['ignore', 'ignore', 'pipe']});
    } catch (error) {
      console.error(`bench-peers: ${path.basename(model)} cannot be quantized; left out\n  ${String(error.stderr).trim()}`);
      return null;
    }
  }
  return file;
}

// Exporters fix the batch at 1: the same model for another one.
function rebatched(model, batch) {
  const folder = path.join(root, `build/peers/batch${batch}`), file = path.join(folder, path.basename(model));
  fs.mkdirSync(folder, {recursive: true});
  if (!fs.existsSync(file)) execFileSync(hone, ['convert', model, '--batch', batch, '-o', file], {stdio: ['ignore', 'ignore', 'pipe']});
  return file;
}

const median = list => { const sorted = [...list].sort((a, b) => a - b); return sorted[sorted.length >> 1]; };
const geometricMean = list => Math.exp(list.reduce((sum, value) => sum + Math.log(value), 0) / list.length);

function measure(model, threads, batch, options, scratch) {
  const ours = [], theirs = [], cached = [];
  execFileSync('cat', [model], {stdio: 'ignore'});  // so that neither waits for the disk
  const bench = (...more) => JSON.parse(execFileSync(hone, ['bench', model, '--threads', threads, '--batch', batch, '--json', ...more],
    {maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe']}));
  const cache = ['--seconds', 0, '--cache-dir', path.join(scratch, 'cache')];
  bench(...cache);
  for (let round = 0; round < options.rounds; ++round) {
    ours.push(bench('--seconds', options.seconds));
    cached.push(bench(...cache));
    const job = path.join(scratch, 'job.json');
    fs.writeFileSync(job, JSON.stringify({model, threads, inputs: ours[round].inputs, seconds: options.seconds}));
    theirs.push(JSON.parse(execFileSync('node', [path.join(__dirname, 'onnxruntime.cjs'), job], {stdio: ['ignore', 'pipe', 'pipe']})));
  }
  const of = (list, pick) => median(list.map(pick));
  const row = {model: path.basename(model, '.onnx'), threads, batch, version: theirs[0].version};
  row.hone_ms = of(ours, r => r.median_ms), row.onnxruntime_ms = of(theirs, r => r.median_ms);
  row.ratio = row.onnxruntime_ms / row.hone_ms;
  row.hone_start_ms = of(ours, r => r.load_ms + r.first_ms), row.onnxruntime_start_ms = of(theirs, r => r.load_and_first_ms);
  row.start_ratio = row.onnxruntime_start_ms / row.hone_start_ms;
  row.hone_cached_start_ms = of(cached, r => r.load_ms + r.first_ms);
  row.cached_start_ratio = row.onnxruntime_start_ms / row.hone_cached_start_ms;
  fs.rmSync(path.join(scratch, 'cache'), {recursive: true, force: true});
  // What Node itself holds before the model is loaded is not the peer's.
  row.hone_memory_mb = of(ours, r => r.peak_memory_mb), row.onnxruntime_memory_mb = of(theirs, r => r.max_rss_mb - r.base_rss_mb);
  row.memory_ratio = row.hone_memory_mb / row.onnxruntime_memory_mb;
  return row;
}

// Samples a second with all threads busy, as many inferences at a time as pay. The peer's best of one session with all
// threads and of one process a thread.
function measureThroughput(model, threads, batch, options, scratch) {
  const ours = [], together = [], apart = [];
  const job = path.join(scratch, 'streams.json');
  for (let round = 0; round < options.rounds; ++round) {
    ours.push(JSON.parse(execFileSync(hone, ['bench', model, '--threads', threads, '--batch', batch, '--json',
      '--streams', 'auto', '--seconds', options.seconds], {maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe']})));
    const peer = streams => {
      const {inputs} = ours[round], {seconds} = options;
      fs.writeFileSync(job, JSON.stringify({model, streams, threads: threads / streams, inputs, seconds}));
      const program = path.join(__dirname, 'onnxruntime_streams.cjs');
      return batch * JSON.parse(execFileSync('node', [program, job], {stdio: ['ignore', 'pipe', 'pipe']})).rate;
    };
    together.push(peer(1));
    apart.push(peer(threads));
  }
  const row = {model: path.basename(model, '.onnx'), threads, batch, streams: median(ours.map(r => r.streams))};
  row.hone_rate = median(ours.map(r => r.throughput));
  row.onnxruntime_one_session = median(together), row.onnxruntime_one_a_thread = median(apart);
  row.onnxruntime_rate = Math.max(row.onnxruntime_one_session, row.onnxruntime_one_a_thread);
  row.ratio = row.hone_rate / row.onnxruntime_rate;
  return row;
}

const ms = value => value.toFixed(value < 10 ? 3 : 2);
const latencyLine = row => `| ${row.model} | ${row.threads} | ${row.batch} | ${ms(row.hone_ms)} | ` +
  `${ms(row.onnxruntime_ms)} | ${row.ratio.toFixed(2)} | ${row.start_ratio.toFixed(1)} | ` +
  `${row.cached_start_ratio.toFixed(1)} | ${row.memory_ratio.toFixed(2)} |`;
const throughputLine = row => `| ${row.model} | ${row.threads} | ${row.batch} | ${row.hone_rate.toFixed(1)} (${row.streams}) | ` +
  `${row.onnxruntime_one_session.toFixed(1)} | ${row.onnxruntime_one_a_thread.toFixed(1)} | ${row.ratio.toFixed(2)} |`;

const options = parse(process.argv.slice(2));
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hone-peers-'));
const rows = [];
for (const plain of options.models.length ? options.models : defaultModels(options.all))
  for (const precision of options.precision) {
    const model = precision === 'int8' && !plain.endsWith('.int8.onnx') ? quantized(plain) : plain;
    if (!model || (precision === 'fp32' && plain.endsWith('.int8.onnx'))) continue;
    for (const batch of options.batch)
      for (const threads of options.threads) {
        let row;
        try {
          const file = batch === 1 ? model : rebatched(model, batch);
          row = {precision, ...(options.throughput ? measureThroughput : measure)(file, threads, batch, options, scratch)};
        } catch (error) {
          console.error(`bench-peers: ${path.basename(model)}, batch ${batch}: ${String(error.stderr || error).trim()}`);
          break;  // a model for one batch size only
        }
        rows.push(row);
        (options.json ? console.error : console.log)(options.throughput ? throughputLine(row) : latencyLine(row));
      }
  }
fs.rmSync(scratch, {recursive: true});
const summary = {};
for (const precision of options.precision) {
  const some = rows.filter(row => row.precision === precision);
  if (some.length === 0) continue;
  summary[precision] = {geometric_mean: geometricMean(some.map(row => row.ratio)), lowest: Math.min(...some.map(row => row.ratio)),
    below_level: some.filter(row => row.ratio < 1).map(row => `${row.model} (${row.threads} threads, batch ${row.batch})`)};
}
if (options.json) console.log(JSON.stringify({summary, rows}, null, 1));
else {
  console.log(options.throughput
    ? 'model | threads | batch | Hone samples/s (streams) | ONNX Runtime, one session | one process a thread | ratio'
    : 'model | threads | batch | Hone ms | ONNX Runtime ms | speed ratio | start ratio | with plan cache | memory ratio (Hone / peer)');
  for (const [precision, s] of Object.entries(summary))
    console.log(`${precision}: geometric mean of the ratio ${s.geometric_mean.toFixed(2)}, lowest ${s.lowest.toFixed(2)}` +
      (s.below_level.length ? `; below level: ${s.below_level.join(', ')}` : ''));
}
