// Throughput of ONNX Runtime: processes with a session each that run at the same time. usage: node onnxruntime_streams.cjs JOB.json
// JOB: as onnxruntime.cjs has it, with "streams": the number of processes, and "threads" of each. Prints {"rate"}: inferences a second
// of all together. (With one stream it is a process, too: the same conditions for both.)
'use strict';
const {fork} = require('child_process');
const fs = require('fs');

const job = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));

async function child() {
  const {ort, tensor} = require('./onnxruntime.cjs');
  const session = await ort.InferenceSession.create(job.model, {
    intraOpNumThreads: job.threads, interOpNumThreads: 1, graphOptimizationLevel: 'all', logSeverityLevel: 3,
  });
  const feeds = {};
  job.inputs.forEach((input, i) => { feeds[input.name || session.inputNames[i]] = tensor(input); });
  for (let i = 0; i < 3; ++i) await session.run(feeds);
  const go = new Promise(resolve => process.once('message', resolve));
  process.send('ready');
  await go;
  const begin = process.hrtime.bigint(), seconds = () => Number(process.hrtime.bigint() - begin) / 1e9;
  let runs = 0;
  do {
    await session.run(feeds);
    ++runs;
  } while (seconds() < job.seconds);
  process.send({rate: runs / seconds()});
  process.disconnect();
}

function parent() {
  let rate = 0, ready = 0, done = 0;
  const children = Array.from({length: job.streams}, () => fork(__filename, [process.argv[2], 'child']));
  for (const one of children) {
    one.on('message', message => {
      if (message === 'ready') {
        if (++ready === children.length) children.forEach(each => each.send('go'));
        return;
      }
      rate += message.rate;
      if (++done === children.length) console.log(JSON.stringify({rate}));
    });
    one.on('exit', code => {
      if (code === 0) return;
      children.forEach(each => each.kill());
      process.exitCode = 1;
    });
  }
}

if (process.argv[3] === 'child') child().catch(error => { console.error(String(error.message || error)); process.exit(1); });
else parent();
