#include "app/support/terminal.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "app/support/format.hpp"
#include "base/log.hpp"

namespace hone::app {

namespace {

using Clock = std::chrono::steady_clock;

/// What stands on the last line of the terminal now; messages clear it first.
std::mutex line_mutex;
bool line_drawn = false;

void clear_line() {
  if (line_drawn) std::fputs("\r\x1b[K", stderr);
  line_drawn = false;
}

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

class TerminalProgress : public Progress {
 public:
  TerminalProgress() : interactive_(::isatty(STDERR_FILENO) != 0) {}
  ~TerminalProgress() override {
    std::lock_guard lock(line_mutex);
    clear_line();
  }

  void begin(const std::string& label, int64_t total) override {
    label_ = label;
    total_ = total;
    first_done_ = -1;
    started_ = Clock::now();
    drawn_ = interactive_ ? Clock::time_point{} : started_;
  }

  void update(int64_t done, const std::string& detail) override {
    auto now = Clock::now();
    if (first_done_ < 0) {  // a continued stage does not start at 0, and what was done before tells nothing of the rate
      first_done_ = done > 1 ? done : 0;
      if (done > 1) started_ = now;
    }
    auto pause = interactive_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
    if (now - drawn_ < pause) return;
    drawn_ = now;
    draw(done, detail, std::chrono::duration<double>(now - started_).count());
  }

  void end(const std::string& summary) override {
    std::lock_guard lock(line_mutex);
    clear_line();
    if (!summary.empty()) fmt::print(stderr, "{}\n", summary);
    std::fflush(stderr);
  }

 private:
  void draw(int64_t done, const std::string& detail, double seconds) {
    double rate = seconds > 0 ? static_cast<double>(done - first_done_) / seconds : 0;
    std::string tail = detail;
    bool has_rate = detail.find("/s") != std::string::npos;
    if (rate > 0 && !has_rate) tail += fmt::format("{}{:.{}f}/s", tail.empty() ? "" : "  ", rate, rate < 10 ? 1 : 0);
    bool has_time = detail.ends_with(" left");
    if (total_ > 0 && rate > 0 && done < total_ && !has_time)
      tail += fmt::format("  {} left", format_duration(static_cast<double>(total_ - done) / rate));
    std::string line;
    if (total_ > 0) {
      double share = static_cast<double>(done) / static_cast<double>(total_);
      line = fmt::format("{} {}{:3.0f}%  {}", label_, interactive_ ? bar(share) + " " : "", 100 * share, tail);
    } else {
      line = fmt::format("{} {}  {}", label_, done, tail);
    }
    std::lock_guard lock(line_mutex);
    if (!interactive_) {
      fmt::print(stderr, "{}\n", line);
    } else {
      clear_line();
      std::fputs(fit(line, terminal_width() - 1).c_str(), stderr);
      line_drawn = true;
    }
    std::fflush(stderr);
  }

  static std::string bar(double share) {
    constexpr int cells = 20;
    std::string text;
    int full = static_cast<int>(share * cells);
    for (int i = 0; i < cells; ++i) text += i < full ? "━" : "╌";
    return text;
  }

  /// The first `columns` characters of UTF-8 text.
  static std::string fit(const std::string& text, int columns) {
    int used = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      if ((text[i] & 0xC0) == 0x80) continue;
      if (used++ == columns) return text.substr(0, i);
    }
    return text;
  }

  bool interactive_;
  std::string label_;
  int64_t total_ = 0, first_done_ = -1;
  Clock::time_point started_, drawn_;
};

LogLevel level_from_environment() {
  const char* text = std::getenv("HONE_LOG");
  std::string level = text ? text : "";
  if (level == "debug") return LogLevel::debug;
  if (level == "info") return LogLevel::info;
  if (level == "error") return LogLevel::error;
  return LogLevel::warning;
}

}  // namespace

std::unique_ptr<Progress> make_progress() { return std::make_unique<TerminalProgress>(); }

void install_log_sink() {
  static std::shared_ptr<spdlog::logger> logger = spdlog::stderr_color_mt("hone");
  logger->set_pattern("hone: %^%l%$: %v");
  logger->set_level(spdlog::level::trace);
  LogLevel lowest = level_from_environment();
  set_log_sink([lowest](LogLevel level, const std::string& message) {
    if (level < lowest) return;
    static const spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                                       spdlog::level::err};
    std::lock_guard lock(line_mutex);
    clear_line();
    logger->log(levels[static_cast<int>(level)], message);
  });
}

}  // namespace hone::app
