#pragma once
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hone/export.hpp>
#include <hone/tensor.hpp>

HONE_NAMESPACE_BEGIN

struct DeviceInfo {
  std::string name;         ///< for ModelOptions::device
  std::string description;  ///< for people
};
/// The devices that models run on.
HONE_API std::vector<DeviceInfo> devices();

struct ModelOptions {
  std::string device = "cpu";  ///< "cpu", or "reference": by the definition of each op, slow, to check results
  int threads = 0;             ///< of one inference; 0: one per processor of this process
  /// A folder that keeps compiled plans for the next start, which then takes a fraction of the time; empty: none.
  std::string cache_dir = {};
};

/// An input or output of a model.
struct Port {
  std::string name;
  DType dtype = DType::undefined;
  Shape shape;
};

/// A model that is loaded and optimized for a device: what sessions and streams are made from. Copies are cheap and
/// mean the same model; all functions may be called from several threads.
class HONE_API Model {
 public:
  /// Reads a model file (ONNX). Weights stay in the mapped file: replace such a file by renaming, never by writing into
  /// it. Throws Error naming what is wrong with the file, or an unknown device.
  explicit Model(const std::filesystem::path& file, const ModelOptions& options = {});
  /// A model file in memory, which is copied. A model with external data cannot be read this way.
  static Model from_memory(std::span<const std::byte> bytes, const ModelOptions& options = {});

  const std::vector<Port>& inputs() const noexcept;
  const std::vector<Port>& outputs() const noexcept;
  /// Position of an input or output by its name. Throws Error that lists the names when there is none.
  size_t input_index(std::string_view name) const;
  size_t output_index(std::string_view name) const;
  /// Key/value pairs of the file.
  const std::map<std::string, std::string>& metadata() const noexcept;
  /// Class names; empty when the file has none.
  const std::vector<std::string>& labels() const noexcept;
  const ModelOptions& options() const noexcept;

 private:
  friend struct ModelAccess;
  struct Impl;
  Model() = default;
  std::shared_ptr<Impl> impl_;
};

HONE_NAMESPACE_END
