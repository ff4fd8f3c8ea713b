#include "app/support/throughput.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <latch>
#include <thread>

#include "base/cpu.hpp"
#include "base/interrupt.hpp"
#include "run/session.hpp"

namespace hone::app {

namespace {
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// One session with input and output memory of its own.
struct Stream {
  Session session;
  std::vector<Tensor> inputs, outputs;
  std::vector<double> times;  // milliseconds
  double busy = 0;            // seconds from the common start to the end of the last run
  std::exception_ptr error;

  Stream(const std::shared_ptr<PlanSource>& source, const std::vector<Port>& ports, uint64_t seed) : session(source) {
    for (const Port& port : ports)
      inputs.push_back(random_tensor(port.dtype, port.shape.concrete(), seed + inputs.size()));
    outputs = session.run(inputs);
  }
  void run(double seconds, std::latch& start) {
    times.clear();
    times.reserve(4096);
    start.arrive_and_wait();
    const auto begin = Clock::now();
    try {
      while (times.empty() || busy < seconds) {
        const auto at = Clock::now();
        session.run(inputs, outputs);
        times.push_back(1e3 * seconds_since(at));
        busy = seconds_since(begin);
        check_interrupt("bench");
      }
    } catch (...) {
      error = std::current_exception();
    }
  }
};

/// All streams for some time, beginning together; the first error of one is thrown.
void run_all(std::vector<std::unique_ptr<Stream>>& streams, double seconds) {
  std::latch start(static_cast<std::ptrdiff_t>(streams.size()));
  std::vector<std::jthread> threads;
  for (auto& stream : streams) {
    stream->busy = 0;
    threads.emplace_back([&stream, &start, seconds] { stream->run(seconds, start); });
  }
  threads.clear();  // joins
  for (const auto& stream : streams)
    if (stream->error) std::rethrow_exception(stream->error);
}

int all_threads(const LatencyOptions& options) {
  return options.device.threads > 0 ? options.device.threads : cpu_features().cores;
}

}  // namespace

Throughput measure_throughput(const std::filesystem::path& path, const LatencyOptions& options, int streams) {
  Throughput result;
  LatencyOptions each = options;
  each.device.threads = std::max(1, all_threads(options) / streams);
  result.streams = streams;
  result.threads = each.device.threads;
  const auto begin = Clock::now();
  auto source = load_for_bench(path, each, result.inputs);
  std::vector<std::unique_ptr<Stream>> sessions;
  for (int i = 0; i < streams; ++i)
    sessions.push_back(std::make_unique<Stream>(source, result.inputs, 1 + 100 * static_cast<uint64_t>(i)));
  result.load_ms = 1e3 * seconds_since(begin);
  run_all(sessions, std::min(0.2, options.seconds / 10));  // caches and clock rates settle
  run_all(sessions, options.seconds);
  std::vector<double> times;
  for (const auto& stream : sessions) {
    // Each stream's own rate: what one does after the others have ended counts for nobody.
    result.rate += options.batch * static_cast<double>(stream->times.size()) / stream->busy;
    times.insert(times.end(), stream->times.begin(), stream->times.end());
  }
  std::sort(times.begin(), times.end());
  result.runs = static_cast<int64_t>(times.size());
  result.median_ms = times[times.size() / 2];
  result.p90_ms = times[(times.size() * 9 + 9) / 10 - 1];
  result.peak_memory_mb = peak_memory_mb();
  return result;
}

Throughput measure_best_throughput(const std::filesystem::path& path, const LatencyOptions& options) {
  const int threads = all_threads(options);
  std::vector<Throughput::Tried> tried;
  LatencyOptions brief = options;
  brief.seconds = std::min(0.5, options.seconds);
  for (int streams = 1; streams <= threads; streams = streams < threads ? std::min(2 * streams, threads) : threads + 1)
    tried.push_back({streams, std::max(1, threads / streams), measure_throughput(path, brief, streams).rate});
  auto best =
      std::max_element(tried.begin(), tried.end(), [](const auto& a, const auto& b) { return a.rate < b.rate; });
  Throughput result = measure_throughput(path, options, best->streams);
  result.tried = std::move(tried);
  return result;
}

}  // namespace hone::app
