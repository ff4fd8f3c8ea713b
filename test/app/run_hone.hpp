#pragma once
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "data/image.hpp"
#include "data/data_checks.hpp"
#include "export/export.hpp"
#include "graph/preprocess.hpp"
#include "graph/text.hpp"

/// Runs the program as a user would.
namespace hone::app_test {

struct Result {
  int code = -1;  ///< exit code; 128 + signal when a signal ended it
  std::string out, err;
  nlohmann::json json() const { return nlohmann::json::parse(out, nullptr, false); }
};

/// The program at work; ended with the object.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments) {
    std::string out = (folder_ / "out").string(), err = (folder_ / "err").string();
    std::vector<char*> argv{const_cast<char*>(HONE_PROGRAM)};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
      ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
      ::execv(HONE_PROGRAM, argv.data());
      ::_exit(127);
    }
  }
  ~Process() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  void send(int signal) const { ::kill(pid_, signal); }

  Result wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    Result result;
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.out = read_text_file(folder_ / "out");
    result.err = read_text_file(folder_ / "err");
    return result;
  }

 private:
  TemporaryFolder folder_;
  pid_t pid_ = -1;
};

inline Result hone(const std::vector<std::string>& arguments) { return Process(arguments).wait(); }

inline int lines(const std::string& text) { return static_cast<int>(std::count(text.begin(), text.end(), '\n')); }

/// A classifier with random weights for two classes, 16x16 pixels.
inline Graph tiny_classifier(const std::string& batch = "N") {
  return parse_text("graph \"tiny\" {\n  input %x: f32[" + batch + R"(, 3, 16, 16]
    const %w: f32[8, 3, 3, 3] = random(1)
    const %b: f32[8] = random(2)
    const %v: f32[2, 8] = random(3)
    const %c: f32[2] = random(4)
    %conv = Conv(%x, %w, %b) {strides=[2, 2]}
    %relu = Relu(%conv)
    %pool = GlobalAveragePool(%relu)
    %flat = Flatten(%pool)
    %y = Gemm(%flat, %v, %c) {transB=1}
    output "scores" = %y
  })");
}

/// As what hone train writes: takes images, knows its labels red and blue.
inline Graph tiny_image_classifier() {
  Graph graph = tiny_classifier();
  attach_preprocess(graph, {.height = 16, .width = 16, .mean = {128, 128, 128}, .std = {64, 64, 64}});
  set_labels(graph, {"red", "blue"});
  return graph;
}

/// Noise around red, or around blue.
inline std::string colored_png(bool red, uint64_t seed, int height = 24, int width = 32) {
  Tensor image = random_image(height, width, seed);
  auto pixels = image.mutable_data<uint8_t>();
  for (size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = static_cast<uint8_t>(pixels[i] / 4 + (i % 3 == (red ? 0u : 2u) ? 180 : 0));
  return encode_png(image);
}

/// `count` images of each class below folder/data.
inline std::string write_data(const TemporaryFolder& folder, int count) {
  for (int i = 0; i < count; ++i) {
    folder.write("data/red/" + std::to_string(i) + ".png", colored_png(true, static_cast<uint64_t>(i)));
    folder.write("data/blue/" + std::to_string(i) + ".png", colored_png(false, 1000 + static_cast<uint64_t>(i)));
  }
  return (folder / "data").string();
}

inline std::string write_model(const TemporaryFolder& folder, const std::string& name, const Graph& graph) {
  export_model(graph, folder / name);
  return (folder / name).string();
}

}  // namespace hone::app_test
