#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

namespace hone {

/// The content of a file; of a .gz file (by name or magic) the unpacked content. Throws Error for one that is damaged
/// or larger than `limit`.
std::shared_ptr<std::vector<std::byte>> read_bytes_unpacked(const std::filesystem::path& path, size_t limit);

}  // namespace hone
