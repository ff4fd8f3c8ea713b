#include "devices/cpu/tuner.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "base/cpu.hpp"
#include "devices/cpu/pages.hpp"

namespace hone::cpu {

namespace {

// What estimates are made of; only their ratios matter. Measured on several x86 servers.
constexpr double kMemoryBytesPerUs = 24e3, kCacheBytesPerUs = 60e3;
constexpr double kCachedWeights = 8 << 20;  ///< weights beyond this come from memory in every inference
/// Layers faster than this are not worth measuring.
constexpr double kTinyUs = 15;
constexpr int kRounds = 3;          ///< after a first one
constexpr double kEnoughUs = 4000;  ///< no further round begins after this time
/// For all layers of a plan; behind that, estimates decide. More where results are kept for the next start.
constexpr double kPlanUs = 10e3, kKeptPlanUs = 60e3;
constexpr size_t kMostResults = 1 << 14;

struct Result {
  std::string entry;
  double us = 0;
};

/// Results of this process and of the cache files it has read.
struct Results {
  std::mutex mutex;
  std::unordered_map<std::string, Result> by_layer;
  std::set<std::string> read;
};
Results& results() {
  static Results all;
  return all;
}

std::string file_in(const std::string& folder) { return (std::filesystem::path(folder) / "autotune-1.txt").string(); }

/// Lines "layer<TAB>kernel<TAB>microseconds". Whatever does not look like one is skipped.
void read_results(Results& all, const std::string& folder) {
  if (folder.empty() || !all.read.insert(folder).second) return;
  std::ifstream file(file_in(folder));
  for (std::string line; std::getline(file, line) && all.by_layer.size() < kMostResults;) {
    const size_t first = line.find('\t'), second = first == std::string::npos ? first : line.find('\t', first + 1);
    if (second == std::string::npos) continue;
    const double us = std::strtod(line.c_str() + second + 1, nullptr);
    if (us > 0) all.by_layer.emplace(line.substr(0, first), Result{line.substr(first + 1, second - first - 1), us});
  }
}

std::string key_of(const std::vector<Tuner::Candidate>& candidates, const CpuContext& context) {
  const CpuFeatures& cpu = cpu_features();
  std::string key =
      fmt::format("{} {} threads {} {} ", cpu.name, cpu.isa(), context.threads, context.cold_weights ? "cold" : "warm");
  for (const auto& candidate : candidates) key += std::string(candidate.entry) + " ";
  return key + candidates.front().kernel->signature();
}

}  // namespace

void forget_measurements() {
  Results& all = results();
  std::lock_guard lock(all.mutex);
  all.by_layer.clear();
  all.read.clear();
}

double expected_us(double operations, double rate, double weight_bytes, double traffic, const CpuContext& context) {
  const double compute = operations / (rate * 1e3 * context.threads);
  const bool cold = context.cold_weights || weight_bytes > kCachedWeights;
  const double weights = cold ? weight_bytes / (context.threads > 1 ? kMemoryBytesPerUs * 1.4 : kMemoryBytesPerUs) : 0;
  return std::max(compute, weights) + traffic / (kCacheBytesPerUs * context.threads);
}

Tuner::Candidate Tuner::choose(const Node& node, std::vector<Candidate> candidates, std::vector<std::string>& notes) {
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.kernel->estimate() < b.kernel->estimate();
  });
  const double best = candidates[0].kernel->estimate();
  const double hopeless = candidates[0].kernel->confidence();
  const bool tiny = best < kTinyUs;
  const double budget = options_.cache_dir.empty() ? kPlanUs : kKeptPlanUs;
  size_t left = 1;
  for (size_t i = 1; i < candidates.size(); ++i) {
    const double estimate = candidates[i].kernel->estimate();
    if (options_.measure && !tiny && spent_us_ < budget && estimate <= hopeless * best) ++left;
    else
      notes.push_back(fmt::format("{}: estimated {:.0f} us where {} has {:.0f}, not measured", candidates[i].entry,
                                  estimate, candidates[0].entry, best));
  }
  candidates.resize(left);
  size_t chosen = 0;
  if (left > 1) {
    Results& all = results();
    const std::string key = key_of(candidates, context_);
    std::lock_guard lock(all.mutex);  // also keeps measurements from disturbing each other
    read_results(all, options_.cache_dir);
    auto known = all.by_layer.find(key);
    size_t at = left;
    for (size_t i = 0; known != all.by_layer.end() && i < left; ++i)
      if (known->second.entry == candidates[i].entry) at = i;
    if (at < left) {
      chosen = at;
      notes.push_back(
          fmt::format("{}: {:.0f} us, measured for an identical layer", known->second.entry, known->second.us));
    } else {
      std::vector<double> cost = measure(candidates, node);
      for (size_t i = 0; i < cost.size(); ++i) {
        // Weights come from memory in an inference, here perhaps from the cache.
        const double weights =
            expected_us(0, 1, static_cast<double>(candidates[i].kernel->weight_bytes()), 0, context_);
        cost[i] = std::max(cost[i], weights);
        notes.push_back(fmt::format("{}: {:.0f} us", candidates[i].entry, cost[i]));
      }
      chosen = static_cast<size_t>(std::min_element(cost.begin(), cost.end()) - cost.begin());
      if (all.by_layer.size() >= kMostResults) all.by_layer.clear();
      all.by_layer[key] = {candidates[chosen].entry, cost[chosen]};
      fresh_ = true;
    }
  }
  candidates[chosen].kernel->prepare(packers_);
  return std::move(candidates[chosen]);
}

const std::shared_ptr<void>& Tuner::zeros(size_t bytes) {
  if (!zeros_ || bytes > zero_bytes_) {
    zeros_ = read_only_zeros(bytes);
    zero_bytes_ = bytes;
  }
  return zeros_;
}

void* Tuner::buffer(size_t index, size_t bytes) {
  if (buffers_.size() <= index) buffers_.resize(index + 1);
  auto& [memory, size] = buffers_[index];
  if (size < bytes) {
    memory = short_lived_zeros(bytes);
    size = bytes;
  }
  return memory.get();
}

std::vector<double> Tuner::measure(const std::vector<Candidate>& candidates, const Node& node) {
  size_t used = 0;
  std::vector<void*> table;
  auto place = [&](const Value* value, bool read = true) {
    // Constants that are only packed need no aligned copy.
    if (value->is_constant())
      table.push_back(const_cast<void*>(read ? value->constant().raw() : value->constant().address()));
    else table.push_back(buffer(used++, static_cast<size_t>(element_count(dims_of(value))) * size_of(value->dtype())));
    return static_cast<int>(table.size()) - 1;
  };
  std::vector<int> all, outputs;
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    const bool read = std::any_of(candidates.begin(), candidates.end(),
                                  [&](const Candidate& candidate) { return candidate.kernel->reads(i); });
    all.push_back(node.input(i) ? place(node.input(i), read) : -1);
  }
  for (const Value* output : node.outputs()) outputs.push_back(place(output));
  std::vector<std::unique_ptr<KernelState>> states;
  // All run on the same zeros instead of weights of their own: packing them, and new pages alone, would take longer.
  size_t weights = 0;
  for (const Candidate& candidate : candidates) weights = std::max(weights, candidate.kernel->weight_bytes());
  for (const Candidate& candidate : candidates) candidate.kernel->rehearse(zeros(weights));
  for (const Candidate& candidate : candidates) states.push_back(candidate.kernel->make_state());
  using Clock = std::chrono::steady_clock;
  std::vector<double> best(candidates.size(), 0);
  double total = 0;
  // In turn: whatever else runs on the machine disturbs all alike, and no kernel keeps its weights in the nearest
  // cache. The first round meets cold memory, but if it is long it says enough.
  for (int round = 0; round <= kRounds && total < kEnoughUs; ++round)
    for (size_t i = 0; i < candidates.size(); ++i) {
      const Kernel& kernel = *candidates[i].kernel;
      std::vector<int> inputs = all;
      for (size_t k = 0; k < inputs.size(); ++k)
        if (!kernel.reads(k)) inputs[k] = -1;
      char* scratch = static_cast<char*>(buffer(used, kernel.scratch_bytes()));
      const KernelRun run{table.data(), inputs.data(), outputs.data(), pool_, scratch, states[i].get()};
      const auto begin = Clock::now();
      kernel.run(run);
      const double us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
      total += us;
      if (round <= 1 || us < best[i]) best[i] = us;
    }
  for (const Candidate& candidate : candidates) candidate.kernel->rehearse(nullptr);
  spent_us_ += total;
  return best;
}

void Tuner::save() const {
  if (!fresh_ || options_.cache_dir.empty()) return;
  Results& all = results();
  std::lock_guard lock(all.mutex);
  std::error_code ignored;
  std::filesystem::create_directories(options_.cache_dir, ignored);
  const std::string target = file_in(options_.cache_dir),
                    draft = fmt::format("{}.{}", target, static_cast<const void*>(this));
  {
    std::ofstream file(draft);
    for (const auto& [layer, result] : all.by_layer)
      file << fmt::format("{}\t{}\t{:.1f}\n", layer, result.entry, result.us);
    if (!file.flush()) {
      std::filesystem::remove(draft, ignored);
      return;
    }
  }
  std::filesystem::rename(draft, target, ignored);
}

}  // namespace hone::cpu
