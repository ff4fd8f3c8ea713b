#include "app/programs/hone_demo/video.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include "base/error.hpp"
#include "data/image_cv.hpp"
#include "data/names.hpp"

namespace hone::app {

namespace fs = std::filesystem;

namespace {

/// What goes wrong is said by us; the libraries' own words would appear between.
void silence_libraries() {
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  ::setenv("OPENCV_FFMPEG_LOGLEVEL", "-8", 0);
}

Tensor to_image(const cv::Mat& frame) {
  Tensor image = make_image(frame.rows, frame.cols);
  cv::Mat view = view_of(image);
  if (frame.channels() == 1) cv::cvtColor(frame, view, cv::COLOR_GRAY2RGB);
  else cv::cvtColor(frame, view, frame.channels() == 4 ? cv::COLOR_BGRA2RGB : cv::COLOR_BGR2RGB);
  return image;
}

}  // namespace

struct VideoSource::State {
  cv::VideoCapture capture;
  cv::Mat first;  ///< read while opening
};

VideoSource::VideoSource(std::unique_ptr<State> state) : state_(std::move(state)) {}
VideoSource::~VideoSource() = default;
VideoSource::VideoSource(VideoSource&&) noexcept = default;

VideoSource VideoSource::open_file(const fs::path& path) {
  silence_libraries();
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored))
    throw Error(quoted(path), "no such file", "expected an image, a folder of images, a video, or camera");
  auto state = std::make_unique<State>();
  state->capture.open(path.string(), cv::CAP_FFMPEG);
  if (!state->capture.isOpened() || !state->capture.read(state->first) || state->first.empty())
    throw Error(quoted(path), "is no image and no video that can be decoded",
                "convert it, to .mp4 for example, or check that it is complete");
  return VideoSource(std::move(state));
}

VideoSource VideoSource::open_camera(int index) {
  silence_libraries();
  auto state = std::make_unique<State>();
  state->capture.open(index, cv::CAP_V4L2);
  if (!state->capture.isOpened() || !state->capture.read(state->first) || state->first.empty()) {
    std::string there = list_cameras();
    if (there.empty())
      throw Error(fmt::format("camera {}", index), "this machine has no camera (no /dev/video*)",
                  "connect one, or give an image or a video with -i");
    throw Error(
        fmt::format("camera {}", index), "cannot be opened; there is " + there,
        "choose one with -i camera:N, and check that no other program uses it and that you may read it (group video)");
  }
  return VideoSource(std::move(state));
}

bool VideoSource::next(Tensor& frame) {
  cv::Mat read = std::move(state_->first);
  state_->first.release();
  if (read.empty() && (!state_->capture.read(read) || read.empty())) return false;
  frame = to_image(read);
  return true;
}

double VideoSource::rate() const {
  double rate = state_->capture.get(cv::CAP_PROP_FPS);
  return std::isfinite(rate) && rate >= 1 && rate <= 1000 ? rate : 25;
}

int64_t VideoSource::frames() const {
  double count = state_->capture.get(cv::CAP_PROP_FRAME_COUNT);
  return std::isfinite(count) && count > 0 && count < 1e12 ? static_cast<int64_t>(count) : 0;
}

struct VideoSink::State {
  fs::path path;
  cv::VideoWriter writer;
  ImageSize size;  ///< even, as the codecs want it
  int64_t frames = 0;
};

VideoSink::VideoSink(const fs::path& path, double rate, const ImageSize& size) : state_(std::make_unique<State>()) {
  silence_libraries();
  if (!is_video_name(path)) throw Error(quoted(path), "is no name of a video", "end it in .mp4, .avi or .mkv");
  state_->path = path;
  state_->size = {std::max(2, size.height / 2 * 2), std::max(2, size.width / 2 * 2)};
  bool avi = to_lower(path.extension().string()) == ".avi";
  std::vector<int> codecs = {cv::VideoWriter::fourcc('m', 'p', '4', 'v')};
  if (avi) codecs = {cv::VideoWriter::fourcc('M', 'J', 'P', 'G')};
  else codecs.insert(codecs.begin(), cv::VideoWriter::fourcc('a', 'v', 'c', '1'));
  for (int codec : codecs)
    if (state_->writer.open(path.string(), cv::CAP_FFMPEG, codec, rate, {state_->size.width, state_->size.height},
                            true))
      return;
  throw Error(quoted(path), "cannot be written as a video",
              "check the folder and the space on the disk; .avi needs no more than Motion JPEG");
}

VideoSink::~VideoSink() = default;

void VideoSink::add(const Tensor& frame) {
  cv::Mat bgr, view = view_of(frame);
  if (view.rows < state_->size.height || view.cols < state_->size.width)
    cv::resize(view, bgr, {state_->size.width, state_->size.height});
  else bgr = view({0, 0, state_->size.width, state_->size.height});
  cv::Mat out;
  cv::cvtColor(bgr, out, cv::COLOR_RGB2BGR);
  state_->writer.write(out);
  ++state_->frames;
}

void VideoSink::close() {
  state_->writer.release();
  cv::VideoCapture check(state_->path.string(), cv::CAP_FFMPEG);
  cv::Mat first;
  if (state_->frames > 0 && !check.read(first))
    throw Error(quoted(state_->path), "was not written completely", "check the space on the disk");
}

bool is_video_name(const fs::path& path) {
  std::string extension = to_lower(path.extension().string());
  return extension == ".mp4" || extension == ".avi" || extension == ".mkv";
}

std::string list_cameras() {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator("/dev", ignored))
    if (entry.path().filename().string().starts_with("video")) names.push_back(entry.path().string());
  std::sort(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace hone::app
