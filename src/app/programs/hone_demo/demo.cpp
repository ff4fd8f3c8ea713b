#include "app/programs/hone_demo/demo.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/program.hpp"
#include "app/programs/hone_demo/chain.hpp"
#include "app/programs/hone_demo/video.hpp"
#include "app/programs/hone_demo/window.hpp"
#include "app/support/format.hpp"
#include "app/support/model_argument.hpp"
#include "app/support/range.hpp"
#include "app/support/terminal.hpp"
#include "app/support/usage_error.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/interrupt.hpp"
#include "data/names.hpp"

namespace hone::app {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

struct DemoOptions {
  std::vector<std::string> models;
  std::string input, output, save, decoder;
  std::optional<double> score;
  int64_t frames = 0;
  int top = 3;
  bool no_window = false, json = false;
  ImageFlags image;
  DeviceFlags device;

  void add(CLI::App& app) {
    app.add_option("-m,--model", models, "model file; several are a chain: a detector, then what looks at its objects")
        ->required()
        ->transform(model_or_its_folder())
        ->default_str("");
    app.add_option("-i,--input", input, "an image, a folder of images, a video, or camera (camera:1 for the second)")
        ->required();
    app.add_option("-o,--output", output, "folder for the pictures (or the file, for one image)");
    app.add_option("--save", save, "video to write (.mp4, .avi or .mkv), for a video or a camera");
    app.add_option("--score", score, "objects and multi-label classes below this score are left out (0.3, 0.5)")
        ->check(in_range(0.0, 1.0));
    app.add_option("--top", top, "classes to show")->check(in_range(1, 20));
    app.add_option("--frames", frames, "end after so many frames; 0: all")->check(in_range<int64_t>(0, 1000000000));
    app.add_option("--decoder", decoder, "how a detector's raw head is read; default: known by its outputs");
    app.add_flag("--no-window", no_window, "open no window");
    app.add_flag("--json", json, "print JSON");
    image.add(app);
    device.add(app);
    app.footer("The image options and --labels are for the last model. In the window, q or Esc ends.");
  }
};

/// The number of a camera in "camera", "camera:1" or "/dev/video1".
std::optional<int> camera_of(const std::string& input) {
  std::string number;
  if (input == "camera") number = "0";
  else if (input.starts_with("camera:")) number = input.substr(7);
  else if (input.starts_with("/dev/video")) number = input.substr(10);
  else return std::nullopt;
  int index = -1;
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), index);
  if (error != std::errc() || *end || index < 0 || index > 1000)
    throw UsageError(fmt::format("-i: '{}' is no camera, expected camera or camera:N", input));
  return index;
}

std::string describe(const Marks& marks) {
  std::string text;
  auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  for (const ObjectMark& one : marks.objects) add(one.caption);
  for (auto& [label, line] : marks.lines) add(line);
  for (auto& [label, line] : marks.legend) add(line);
  return text.empty() ? "nothing found" : text;
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())))];
}

class Demo {
 public:
  explicit Demo(const DemoOptions& options) : o_(options) {}

  int run() {
    std::optional<int> camera = camera_of(o_.input);
    std::error_code ignored;
    bool images = !camera && (fs::is_directory(o_.input, ignored) || has_image_extension(o_.input));
    if (images && !o_.save.empty())
      throw UsageError("--save writes a video and is for a video or a camera; for images give -o DIR");
    if (!o_.save.empty() && !is_video_name(o_.save))
      throw UsageError(fmt::format("--save: '{}' must end in .mp4, .avi or .mkv", o_.save));
    open_window();
    std::vector<fs::path> files;
    std::optional<VideoSource> video;
    if (images) files = list_images(o_.input);
    else video.emplace(camera ? VideoSource::open_camera(*camera) : VideoSource::open_file(o_.input));
    open_chain();
    return images ? run_images(files) : run_video(*video, camera.has_value());
  }

 private:
  /// Throws when there is no display and nothing else is asked for.
  void open_window() {
    bool saves = !o_.output.empty() || !o_.save.empty();
    if (o_.no_window) {
      if (!saves) throw UsageError("nothing to do: --no-window without -o DIR or --save FILE");
      return;
    }
    std::string obstacle = Window::obstacle();
    if (obstacle.empty()) {
      window_.emplace("hone demo");
      return;
    }
    if (!saves) throw Error("window", obstacle, "write the pictures with -o DIR, or a video with --save out.mp4");
    fmt::print(stderr, "no window: {}\n", obstacle);
  }

  void open_chain() {
    std::vector<ImageModel> models;
    for (size_t i = 0; i < o_.models.size(); ++i)
      models.push_back(open_image_model(o_.models[i], i + 1 == o_.models.size() ? o_.image : ImageFlags{},
                                        i == 0 ? o_.decoder : ""));
    chain_.emplace(models, PredictorOptions{o_.device.options(), o_.score}, o_.top);
  }

  fs::path picture_path(const fs::path& file) const {
    if (has_image_extension(o_.output) && !fs::is_directory(o_.input)) return o_.output;
    fs::path relative = fs::is_directory(o_.input) ? file.lexically_relative(o_.input) : file.filename();
    std::string name =
        relative.parent_path().empty() ? relative.stem().string() : (relative.parent_path() / relative.stem()).string();
    std::replace(name.begin(), name.end(), '/', '_');
    std::string extension = to_lower(file.extension().string());
    return fs::path(o_.output) / (name + (extension == ".jpg" || extension == ".jpeg" ? ".jpg" : ".png"));
  }

  void write_picture(const fs::path& path, const Tensor& picture) {
    if (!folder_made_) make_writable_folder(path.has_parent_path() ? path.parent_path() : ".");
    folder_made_ = true;
    std::string extension = to_lower(path.extension().string());
    if (extension != ".png" && extension != ".jpg" && extension != ".jpeg")
      throw Error(quoted(path), "is no picture that can be written", "end it in .png or .jpg");
    write_file(path, extension == ".png" ? encode_png(picture) : encode_jpeg(picture));
  }

  int run_images(const std::vector<fs::path>& files) {
    Json list = Json::array();
    bool all_read = true;
    for (const fs::path& file : files) {
      check_interrupt("demo");
      Tensor image;
      try {
        image = decode_image(file);
      } catch (const Error& error) {
        all_read = false;
        fmt::print(stderr, "hone: '{}': {}\n", file.string(), error.problem());
        list.push_back({{"file", file.string()}, {"error", error.problem()}});
        continue;
      }
      chain_->run(image);  // compiles for this size; the second run is what is timed
      Marks marks = chain_->run(image);
      double ms = chain_->seconds() * 1e3;
      marks.status = fmt::format("{:.1f} ms", ms);
      Tensor picture = draw_marks(image, marks);
      fs::path target = o_.output.empty() ? fs::path() : picture_path(file);
      if (!target.empty()) write_picture(target, picture);
      std::string found = describe(marks);
      if (o_.json)
        list.push_back({{"file", file.string()}, {"found", found}, {"ms", ms}, {"picture", target.string()}});
      else
        fmt::print("{}: {}  ({:.1f} ms){}\n", file.string(), found, ms, target.empty() ? "" : "  " + target.string());
      std::fflush(stdout);
      if (window_ && !window_->show(picture, 0)) break;  // the user has seen enough
    }
    if (o_.json) print_json(Json{{"images", list}});
    return all_read ? exit_done : exit_failed;
  }

  std::string status() const {
    double elapsed = std::chrono::duration<double>(recent_.back() - recent_.front()).count();
    double fps = recent_.size() > 1 && elapsed > 0 ? static_cast<double>(recent_.size() - 1) / elapsed : 0;
    return fmt::format("{}{:.1f} ms", fps > 0 ? fmt::format("{:.{}f} FPS   ", fps, fps < 10 ? 1 : 0) : "",
                       chain_->seconds() * 1e3);
  }

  /// Shows and writes a frame; false when the user closed the window.
  bool put_frame(const Tensor& picture, double rate) {
    if (!o_.save.empty()) {
      if (!sink_) {
        fs::path folder = fs::path(o_.save).parent_path();
        if (!folder.empty()) make_writable_folder(folder);
        sink_.emplace(o_.save, rate, ImageSize{static_cast<int>(picture.dim(0)), static_cast<int>(picture.dim(1))});
      }
      sink_->add(picture);
    }
    if (!o_.output.empty())
      write_picture(fs::path(o_.output) / fmt::format("frame_{:06}.jpg", latencies_.size()), picture);
    return !window_ || window_->show(picture, 1);
  }

  int run_video(VideoSource& video, bool camera) {
    int64_t total =
        o_.frames > 0 && video.frames() > 0 ? std::min(o_.frames, video.frames()) : std::max(o_.frames, video.frames());
    auto progress = make_progress();
    progress->begin("demo", total);
    Tensor frame;
    auto begin = Clock::now();
    bool open = true;
    while (open && !interrupt_requested() && (o_.frames == 0 || static_cast<int64_t>(latencies_.size()) < o_.frames) &&
           video.next(frame)) {
      if (latencies_.empty()) chain_->run(frame), begin = Clock::now();
      Marks marks = chain_->run(frame);
      latencies_.push_back(chain_->seconds());
      for (const ObjectMark& one : marks.objects) ++counts_[one.name];
      recent_.push_back(Clock::now());
      if (recent_.size() > 31) recent_.erase(recent_.begin());
      marks.status = status();
      open = put_frame(draw_marks(frame, marks), video.rate());
      progress->update(static_cast<int64_t>(latencies_.size()), status());
    }
    double seconds = seconds_since(begin);
    if (sink_) sink_->close();
    progress->end();
    report_video(seconds);
    return interrupt_requested() && !camera ? exit_interrupted : exit_done;  // a camera has no other end
  }

  void report_video(double seconds) const {
    double fps = seconds > 0 ? static_cast<double>(latencies_.size()) / seconds : 0;
    double median = percentile(latencies_, 0.5) * 1e3, p90 = percentile(latencies_, 0.9) * 1e3;
    if (o_.json) {
      Json counts = Json::object();
      for (auto& [name, count] : counts_) counts[name] = count;
      print_json(Json{{"frames", latencies_.size()},
                      {"fps", fps},
                      {"median_ms", median},
                      {"p90_ms", p90},
                      {"video", o_.save},
                      {"objects", counts},
                      {"interrupted", interrupt_requested()}});
      return;
    }
    fmt::print("{} frames, {:.1f} a second with decoding, drawing and writing; model {:.1f} ms (90%: {:.1f} ms)\n",
               latencies_.size(), fps, median, p90);
    std::vector<std::pair<int64_t, std::string>> most;
    for (auto& [name, count] : counts_) most.emplace_back(count, name);
    std::sort(most.rbegin(), most.rend());
    for (size_t i = 0; i < std::min<size_t>(most.size(), 10); ++i)
      fmt::print("  {:.2f} {} a frame\n", static_cast<double>(most[i].first) / static_cast<double>(latencies_.size()),
                 most[i].second);
    if (sink_) fmt::print("{}\n", o_.save);
  }

  const DemoOptions& o_;
  std::optional<Window> window_;
  std::optional<Chain> chain_;
  std::optional<VideoSink> sink_;
  std::vector<double> latencies_;
  std::vector<Clock::time_point> recent_;  ///< when the last frames were done
  std::map<std::string, int64_t> counts_;  ///< of objects by class
  bool folder_made_ = false;
};

}  // namespace

Action add_demo(CLI::App& app) {
  auto options = std::make_shared<DemoOptions>();
  options->add(app);
  return [options] { return Demo(*options).run(); };
}

}  // namespace hone::app
