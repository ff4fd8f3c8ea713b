#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <link.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/program.hpp"
#include "app/support/format.hpp"
#include "app/support/latency.hpp"
#include "base/cpu.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/threads.hpp"
#include "data/image.hpp"
#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "run/session.hpp"

namespace hone::app {

namespace {

struct DoctorOptions {
  bool json = false;
  void add(CLI::App& app) { app.add_flag("--json", json, "print JSON"); }
};

enum class Verdict { good, note, bad };

struct Finding {
  std::string topic;
  Verdict verdict = Verdict::good;
  std::string text;
};

Finding check_cpu() {
  const CpuFeatures& cpu = cpu_features();
  std::string text =
      fmt::format("{}, {} processor{}, kernels for {}", cpu.name, cpu.cores, cpu.cores == 1 ? "" : "s", cpu.isa());
  if (!cpu.avx2) return {"cpu", Verdict::note, text + "; without AVX2 most kernels are several times slower"};
  if (!cpu.avx512_vnni)
    return {"cpu", Verdict::note,
            text + "; without VNNI, INT8 gains less and hone quantize --reduce-range keeps it accurate"};
  return {"cpu", Verdict::good, text};
}

Finding check_memory() {
  std::ifstream file("/proc/meminfo");
  double total = 0, available = 0;
  for (std::string key; file >> key;) {
    double kilobytes = 0;
    std::string unit;
    file >> kilobytes;
    std::getline(file, unit);
    if (key == "MemTotal:") total = kilobytes * 1024;
    if (key == "MemAvailable:") available = kilobytes * 1024;
  }
  if (total == 0) return {"memory", Verdict::note, "not known (/proc/meminfo cannot be read)"};
  std::string text =
      fmt::format("{} of {} free; caches {} / {} / {}", format_bytes(available), format_bytes(total),
                  format_bytes(static_cast<double>(cache_size(1))), format_bytes(static_cast<double>(cache_size(2))),
                  format_bytes(static_cast<double>(cache_size(3))));
  if (available < 1.5e9) return {"memory", Verdict::note, text + "; training wants about 2 GB"};
  return {"memory", Verdict::good, text};
}

/// Seconds of a fixed amount of arithmetic split over the pool, best of several.
double pool_seconds(int threads) {
  ThreadPool pool(threads);
  std::vector<double> results(64);
  double best = 1e9;
  for (int round = 0; round < 7; ++round) {
    auto begin = std::chrono::steady_clock::now();
    pool.parallel_for(64, [&](int64_t task, int) {
      double x = 1 + static_cast<double>(task);
      for (int i = 0; i < 20000; ++i) x = std::sqrt(x * 1.0001 + 1);
      results[static_cast<size_t>(task)] = x;
    });
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

Finding check_threads() {
  if (cpu_features().cores < 2) return {"threads", Verdict::note, "one processor: nothing runs in parallel"};
  double speedup = pool_seconds(1) / pool_seconds(2);
  std::string text = fmt::format("2 threads are {:.2f}x as fast as one", speedup);
  if (speedup < 1.4)
    return {"threads", Verdict::note,
            text + ": another process uses the processors, or they share one core; try --threads 1"};
  return {"threads", Verdict::good, text};
}

/// The CPU device computes what the reference evaluation says.
Finding check_inference() {
  try {
    Graph graph = parse_text(R"(graph "check" {
      input %x: f32[1, 3, 16, 16]
      const %w: f32[8, 3, 3, 3] = random(1)
      const %b: f32[8] = random(2)
      %y = Conv(%x, %w, %b) {pads=[1, 1, 1, 1]}
      %z = Relu(%y)
      output "z" = %z
    })");
    Tensor input = random_tensor(DType::f32, {1, 3, 16, 16}, 3);
    std::vector<float> results[2];
    for (int i = 0; i < 2; ++i)
      results[i] =
          Session(load(graph, {.device = i == 0 ? "reference" : "cpu"})).run(std::span(&input, 1))[0].to_floats();
    double largest = 0;
    for (size_t i = 0; i < results[0].size(); ++i)
      largest = std::max(largest, std::abs(double(results[0][i]) - results[1][i]));
    if (largest < 1e-3) return {"inference", Verdict::good, "the cpu device agrees with the reference"};
    return {"inference", Verdict::bad,
            fmt::format("the cpu device is off by {:.2g} on a convolution; please report this", largest)};
  } catch (const Error& error) {
    return {"inference", Verdict::bad, error.what()};
  }
}

Finding check_temporary_folder() {
  std::error_code error;
  std::filesystem::path folder = std::filesystem::temp_directory_path(error);
  try {
    if (error) throw Error("temporary folder", error.message());
    make_writable_folder(folder);
    return {"temporary", Verdict::good, folder.string()};
  } catch (const Error& problem) {
    return {"temporary", Verdict::note, std::string(problem.what()) + "; set TMPDIR"};
  }
}

/// File names of the shared libraries in this process, with links resolved: they carry the versions.
std::vector<std::string> loaded_libraries() {
  std::vector<std::string> names;
  auto visit = [](dl_phdr_info* info, size_t, void* list) {
    std::error_code ignored;
    if (info->dlpi_name && *info->dlpi_name)
      static_cast<std::vector<std::string>*>(list)->push_back(
          std::filesystem::canonical(info->dlpi_name, ignored).string());
    return 0;
  };
  dl_iterate_phdr(visit, &names);
  return names;
}

/// The module for images is loaded when the first one is met.
Finding check_images() {
  try {
    std::string png = encode_png(Tensor::zeros(DType::u8, {2, 3, 3}));
    Tensor image = decode_image(std::as_bytes(std::span(png)));
    if (image.dims() == Dims{2, 3, 3}) return {"images", Verdict::good, "image files can be read and written"};
    return {"images", Verdict::bad, "an image was not read as it was written"};
  } catch (const Error& error) {
    return {"images", Verdict::bad, error.what()};
  }
}

std::vector<Finding> check_libraries() {
  std::vector<std::string> libraries = loaded_libraries();
  auto find = [&](const char* part) -> std::string {
    for (const std::string& path : libraries)
      if (path.find(part) != std::string::npos) return std::filesystem::path(path).filename();
    return "";
  };
  std::string text;
  for (const char* part : {"libdnnl", "libopencv_imgcodecs", "libtorch_cpu", "openblas", "libspdlog", "libfmt"})
    if (std::string name = find(part); !name.empty()) text += (text.empty() ? "" : ", ") + name;
  std::vector<Finding> findings{{"libraries", Verdict::good, text}};
  return findings;
}

int doctor(const DoctorOptions& options) {
  std::vector<Finding> findings{{"version", Verdict::good, "hone " HONE_VERSION " (" HONE_BUILD_TYPE " build)"}};
  if (std::string(HONE_BUILD_TYPE) != "Release")
    findings.push_back({"build", Verdict::note, "not a release build: expect it to be slow"});
  for (auto check : {check_cpu, check_memory, check_threads, check_inference, check_temporary_folder, check_images})
    findings.push_back(check());
  for (Finding& finding : check_libraries()) findings.push_back(std::move(finding));
  bool healthy = true;
  Json json = Json::array();
  for (const Finding& finding : findings) {
    static const char* const words[] = {"ok", "note", "bad"};
    const char* word = words[static_cast<int>(finding.verdict)];
    healthy = healthy && finding.verdict != Verdict::bad;
    json.push_back({{"topic", finding.topic}, {"verdict", word}, {"text", finding.text}});
    if (!options.json) fmt::print("{:<10} {:<5} {}\n", finding.topic, word, finding.text);
  }
  if (options.json) print_json({{"healthy", healthy}, {"findings", json}});
  else fmt::print("{}\n", healthy ? "everything that Hone needs is here" : "something is wrong, see above");
  return healthy ? exit_done : exit_failed;
}

}  // namespace

Action add_doctor(CLI::App& app) {
  auto options = std::make_shared<DoctorOptions>();
  options->add(app);
  return [options] { return doctor(*options); };
}

}  // namespace hone::app
