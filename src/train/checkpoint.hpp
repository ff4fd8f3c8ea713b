#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "tensor/tensor.hpp"

namespace hone {

/// Everything a run needs to continue, by name. Numbers are kept bit for bit.
struct Checkpoint {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, int64_t> integers;
  std::map<std::string, double> numbers;
  std::map<std::string, std::string> texts;

  // Reading; each throws Error when the entry is missing.
  const Tensor& tensor(const std::string& name) const;
  int64_t integer(const std::string& name) const;
  double number(const std::string& name) const;
  const std::string& text(const std::string& name) const;
};

/// Writes a file with version and checksum; a crash leaves the old file or the new one. Throws Error when it cannot.
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);
/// Throws Error for a file that is missing, cut off, damaged, no checkpoint or of another version.
Checkpoint load_checkpoint(const std::filesystem::path& path);

}  // namespace hone
