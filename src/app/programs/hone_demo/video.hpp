#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "data/image.hpp"

namespace hone::app {

/// Frames of a video file or a camera, u8 [H, W, 3].
class VideoSource {
 public:
  /// Throws Error for a file that is no video, or one without frames.
  static VideoSource open_file(const std::filesystem::path& path);
  /// Throws Error that lists the cameras there are.
  static VideoSource open_camera(int index);
  ~VideoSource();
  VideoSource(VideoSource&&) noexcept;

  /// False at the end.
  bool next(Tensor& frame);
  double rate() const;     ///< frames a second as the file says; 25 when it does not
  int64_t frames() const;  ///< as the file says; 0: not known

 private:
  struct State;
  explicit VideoSource(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Writes frames of one size to a video file: .mp4 (H.264, else MPEG-4), .avi (Motion JPEG) or .mkv.
class VideoSink {
 public:
  /// Throws Error for another extension, and when the file cannot be written.
  VideoSink(const std::filesystem::path& path, double rate, const ImageSize& size);
  ~VideoSink();  ///< closes without looking for errors
  void add(const Tensor& frame);
  /// Ends the file. Throws Error when it cannot be read back (a full disk).
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// True for a name that ends like a video that VideoSink writes.
bool is_video_name(const std::filesystem::path& path);
/// "/dev/video0", ... on this machine.
std::string list_cameras();

}  // namespace hone::app
