// The table behind scripts/bench-quantize: FP32, INT8 with default settings and INT8 by plain minimum and maximum (what quantizers
// do that are told nothing else), measured on the real models and images of the data folder. HONE_PROGRAM: another hone.
'use strict';
const {execFileSync} = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const root = path.join(__dirname, '..');
const hone = process.env.HONE_PROGRAM || path.join(root, 'build/release/bin/hone');
const data = path.resolve(process.env.HONE_DATA || path.join(root, '../shared'));
const at = (...parts) => path.join(data, ...parts);

const photos = {calibration: [at('data/imagenet_like_nips17/calib.csv')], evaluation: [at('data/imagenet_like_nips17/eval.csv')]};
const cifar = {calibration: [at('data/cifar10'), '--subset', '300'], evaluation: [at('data/cifar10')]};
const coco = {calibration: [at('data/coco_val128')], evaluation: [at('data/coco_val128'), '--score', '0.01']};
const people = {calibration: coco.calibration, evaluation: [at('data/coco_val128'), '--map', '1=15']};
const streets = {calibration: [at('data/camvid'), '--subset', '100'], evaluation: [at('data/camvid')]};
const usual = ['--mean', '123.675,116.28,103.53', '--std', '58.395,57.12,57.375'];
const models = {
  'squeezenet 1.1': {file: 'imagenet/squeezenet_v1.1/squeezenet_v1.1.onnx', ...photos, image: ['--channels', 'bgr', '--mean', '104,117,123']},
  'mobilenet v1 0.25': {file: 'imagenet/mobilenet_v1_0.25_224/mobilenet_v1_0.25_224.onnx', ...photos, image: ['--mean', '127.5', '--std', '127.5']},
  'mobilenet v2': {file: 'imagenet/mobilenet_v2_torchvision/mobilenet_v2_tv_dequant.onnx', ...photos, image: usual},
  'resnet20 cifar': {file: 'cifar10/resnet_akamaster/resnet20.onnx', ...cifar, image: usual},
  'resnet56 cifar': {file: 'cifar10/resnet_akamaster/resnet56.onnx', ...cifar, image: usual},
  'yolox nano': {file: 'detection/yolox_nano/yolox_nano.onnx', ...coco, image: []},
  'nanodet m': {file: 'detection/nanodet_m/nanodet_m_320.onnx', ...coco, image: []},
  'fastestdet': {file: 'detection/fastestdet/FastestDet.onnx', ...coco, image: []},
  'mobilenet v3': {trained: 'build/quant/mobilenet_v3', image: []},
  'espnet camvid': {file: 'segmentation/espnet_camvid/espnet_camvid_360x480.onnx', ...streets, image: []},
  'deeplabv3 mnv2': {file: 'segmentation/deeplabv3_mnv2_257/deeplabv3_mnv2_257.onnx', ...people, image: []},
};
// Trained here, as no MobileNetV3 with weights is at hand: on trashnet, in 8 minutes.
for (const model of Object.values(models).filter(model => model.trained)) {
  const list = name => path.join(root, model.trained, name);
  Object.assign(model, {file: list('model.onnx'), calibration: [list('train.csv'), '--subset', '300'], evaluation: [list('validation.csv')]});
}
const plain = ['--range', 'min_max', '--no-bias-correction', '--no-align', '--no-batch-norm', '--no-error-feedback', '--sensitive-share',
  '0'];

function run(args) {
  return JSON.parse(execFileSync(hone, [...args, '--json'], {maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe']}));
}

// One figure for each task, 0..1: top-1, COCO mAP, or mIoU (of the person class where the set has no other).
function metric(result) {
  if ('top1' in result) return ['top-1', result.top1];
  if ('map' in result) return ['mAP', result.map];
  const person = result.classes.find(entry => entry.name === 'class 15');
  return person ? ['IoU', person.iou] : ['mIoU', result.miou];
}

function measure(name, scratch, options) {
  const model = models[name], file = path.resolve(at('models'), model.file), row = {model: name};
  const evaluate = onnx => metric(run(['eval', onnx, ...model.evaluation, ...model.image]));
  const bench = onnx => run(['bench', onnx, '--threads', 1, '--seconds', options.seconds]).median_ms;
  const quantize = (label, extra) => {
    const out = path.join(scratch, `${path.basename(file, '.onnx')}.${label}.onnx`);
    return {out, ...run(['quantize', file, '--data', ...model.calibration, ...model.image, ...extra, '-o', out])};
  };
  [row.metric, row.fp32] = evaluate(file);
  const int8 = quantize('int8', options.extra), simple = quantize('minmax', plain);
  row.int8 = evaluate(int8.out)[1];
  row.plain = evaluate(simple.out)[1];
  row.int8_share = int8.int8_share;
  row.seconds = int8.seconds;
  row.size = int8.model_bytes / int8.output_bytes;
  row.fp32_ms = bench(file), row.int8_ms = bench(int8.out);
  return row;
}

const options = {json: false, seconds: 1, extra: [], names: []};
const argv = process.argv.slice(2);
for (let i = 0; i < argv.length; ++i) {
  if (argv[i] === '--json') options.json = true;
  else if (argv[i] === '--seconds') options.seconds = Number(argv[++i]);
  else if (argv[i] === '--') options.extra = argv.splice(i + 1);
  else if (models[argv[i]]) options.names.push(argv[i]);
  else console.error(`bench-quantize: no model '${argv[i]}'; known: ${Object.keys(models).join(', ')}`), process.exit(2);
}
if (!fs.existsSync(at('models'))) console.error(`bench-quantize: no models in '${data}'; set HONE_DATA`), process.exit(2);
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'hone-quantize-'));
const rows = [];
const percent = value => (100 * value).toFixed(1), signed = value => (value < 0 ? '−' : '+') + Math.abs(100 * value).toFixed(1);
if (!options.json) console.log('| model | metric | FP32 | INT8 | change | plain min-max | in INT8 | size | FP32 ms | INT8 ms | faster |\n|---|---|---|---|---|---|---|---|---|---|---|');
for (const name of options.names.length ? options.names : Object.keys(models)) {
  if (models[name].trained && !fs.existsSync(models[name].file)) {
    console.error(`bench-quantize: ${name} is left out; make it first: hone train ${at('data/trashnet')} -o ${models[name].trained} --template mobilenet_v3_small --minutes 8`);
    continue;
  }
  const row = measure(name, scratch, options);
  rows.push(row);
  if (!options.json)
    console.log(`| ${row.model} | ${row.metric} | ${percent(row.fp32)} | ${percent(row.int8)} | ${signed(row.int8 - row.fp32)} | ${signed(row.plain - row.fp32)} | ` +
      `${(100 * row.int8_share).toFixed(0)}% | ${row.size.toFixed(1)}× | ${row.fp32_ms.toFixed(2)} | ${row.int8_ms.toFixed(2)} | ${(row.fp32_ms / row.int8_ms).toFixed(1)}× |`);
}
if (options.json) console.log(JSON.stringify(rows, null, 1));
fs.rmSync(scratch, {recursive: true});
