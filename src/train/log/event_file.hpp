#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

/// CRC-32C (Castagnoli) and the form in which records of TensorFlow hold it.
uint32_t crc32c(std::string_view bytes);
uint32_t masked_crc32c(std::string_view bytes);

/// Numbers of one step, as `tensorboard --logdir` shows them.
struct ScalarEvent {
  double wall_time = 0;  ///< seconds since 1970
  int64_t step = 0;
  std::map<std::string, float> values;  ///< by tag, such as "validation/accuracy"
};

/// A TensorBoard event file: records of length, check sum, a tensorflow.Event message, check sum.
class EventFile {
 public:
  /// Creates `folder`/events.out.tfevents.SECONDS.HOST, or goes on with the newest of such files there. Throws Error
  /// when it cannot be written.
  explicit EventFile(const std::filesystem::path& folder);
  /// Appends at once. Throws Error on a full disk.
  void add(const ScalarEvent& event);
  const std::filesystem::path& path() const { return path_; }

 private:
  void append(const std::string& message);
  std::filesystem::path path_;
};

/// The scalars of an event file. Throws Error naming the record whose check sum is wrong.
std::vector<ScalarEvent> read_event_file(const std::filesystem::path& path);

}  // namespace hone
