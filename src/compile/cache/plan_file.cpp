#include "compile/cache/plan_file.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "base/log.hpp"
#include "compile/cache/bytes.hpp"
#include "compile/cache/graph_image.hpp"

namespace hone::cache {

namespace fs = std::filesystem;

namespace {

constexpr char kMagic[8] = {'H', 'O', 'N', 'E', 'P', 'L', 'A', 'N'};
constexpr uint64_t kFormat = 1;
constexpr uint64_t kAlign = 64;  // of a block: a cache line

/// The first bytes of the file. The table behind it says what the blocks are, which follow at `blocks`.
struct Header {
  char magic[8] = {};
  uint64_t format = 0;
  Hash key{};
  uint64_t table_bytes = 0, blocks = 0, file_bytes = 0;
  Hash contents{};  ///< of table and blocks
  Hash header{};    ///< of what is above
};

Hash header_hash(const Header& header) {
  return hash_bytes(std::as_bytes(std::span(&header, 1)).first(offsetof(Header, header)));
}

uint64_t aligned(uint64_t offset) { return (offset + kAlign - 1) / kAlign * kAlign; }

/// Where a block lies behind Header::blocks; none: the constant has no data.
struct Block {
  uint64_t offset = 0, bytes = 0;
  bool none = false;
};

void put(ByteWriter& out, const Block& block) { out.put(block.offset), out.put(block.bytes), out.put(block.none); }
Block get_block(ByteReader& in) {
  Block block;
  in.get(block.offset), in.get(block.bytes), in.get(block.none);
  return block;
}

class Writer {
 public:
  explicit Writer(const PlanRecord& record) : record_(record) {
    table_.put(record.graph);
    table_.put(static_cast<uint64_t>(record.constants.size()));
    for (const Tensor& constant : record.constants) {
      if (constant.defined())
        cache::put(table_, add({static_cast<const std::byte*>(constant.raw()), constant.bytes()}));
      else
        cache::put(table_, Block{0, 0, true});
    }
    table_.put(static_cast<uint64_t>(record.steps.size()));
    for (const StoredStep& step : record.steps) {
      table_.put(step.kernel);
      table_.put(step.notes);
      table_.put(static_cast<uint64_t>(step.packed.size()));
      for (auto bytes : step.packed) cache::put(table_, add(bytes));
    }
  }

  Header header(const Hash& key) {
    Header header;
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    header.format = kFormat;
    header.key = key;
    header.table_bytes = table_.bytes().size();
    header.blocks = (sizeof(Header) + header.table_bytes + 4095) / 4096 * 4096;
    header.file_bytes = header.blocks + end_;
    Hasher contents;
    contents.add(table_.bytes());
    for (auto bytes : blocks_) contents.add(bytes);
    header.contents = contents.value();
    header.header = header_hash(header);
    return header;
  }

  void write(const Header& header, const FileAppend& append) const {
    const std::string zeros(4096, '\0');
    append(&header, sizeof header);
    append(table_.bytes().data(), table_.bytes().size());
    append(zeros.data(), static_cast<size_t>(header.blocks - sizeof header - table_.bytes().size()));
    for (auto bytes : blocks_) {
      append(bytes.data(), bytes.size());
      append(zeros.data(), static_cast<size_t>(aligned(bytes.size()) - bytes.size()));
    }
  }

 private:
  Block add(std::span<const std::byte> bytes) {
    Block block{end_, bytes.size()};
    end_ += aligned(bytes.size());
    blocks_.push_back(bytes);
    return block;
  }

  const PlanRecord& record_;
  ByteWriter table_;
  std::vector<std::span<const std::byte>> blocks_;
  uint64_t end_ = 0;
};

/// Reads a file whose header is right. Throws Damaged.
class Reader {
 public:
  Reader(std::shared_ptr<const MappedFile> file, const Header& header)
      : file_(std::move(file)),
        header_(header),
        table_(file_->bytes().subspan(sizeof(Header), header.table_bytes)),
        blocks_(file_->bytes().subspan(header.blocks)) {}

  StoredPlan read() {
    StoredPlan plan;
    ByteReader in(table_);
    const auto image = in.get<std::string>();
    std::vector<Block> constants(in.count());
    for (Block& block : constants) block = get_block(in), check(block);
    plan.steps.resize(in.count());
    for (StoredStep& step : plan.steps) {
      in.get(step.kernel), in.get(step.notes);
      step.packed.resize(in.count());
      for (auto& bytes : step.packed) bytes = check(get_block(in));
    }
    if (!in.done()) throw Damaged();
    ByteReader structure(std::as_bytes(std::span(image)));
    plan.graph = read_graph(structure, [&](size_t i, DType dtype, const Dims& dims) {
      if (i >= constants.size()) throw Damaged();
      const Block& block = constants[i];
      // Nobody looks at the data of a constant without any: the size is what counts.
      if (block.none) return Tensor(dtype, dims, nullptr, SIZE_MAX, nullptr);
      return Tensor(dtype, dims, blocks_.data() + block.offset, block.bytes, file_);
    });
    plan.file = file_;
    return plan;
  }

  /// The hash of all that read() has seen.
  Hash contents() const {
    Hasher hasher;
    hasher.add(table_);
    for (const Block& block : seen_) hasher.add(blocks_.subspan(block.offset, block.bytes));
    return hasher.value();
  }

 private:
  std::span<const std::byte> check(const Block& block) {
    if (block.none) return {};
    if (block.offset % kAlign != 0 || block.offset > blocks_.size() || block.bytes > blocks_.size() - block.offset)
      throw Damaged();
    seen_.push_back(block);
    return blocks_.subspan(block.offset, block.bytes);
  }

  std::shared_ptr<const MappedFile> file_;
  Header header_;
  std::span<const std::byte> table_, blocks_;
  std::vector<Block> seen_;
};

StoredPlan read_checked(const Folder& folder, const fs::path& path, const Hash& key) {
  auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  Header header;
  if (bytes.size() < sizeof header) throw Damaged();
  std::memcpy(&header, bytes.data(), sizeof header);
  const bool whole = std::memcmp(header.magic, kMagic, sizeof kMagic) == 0 && header.format == kFormat &&
                     header.header == header_hash(header) && header.key == key && header.file_bytes == bytes.size() &&
                     header.blocks <= bytes.size() && header.blocks >= sizeof header &&
                     header.table_bytes <= header.blocks - sizeof header;
  if (!whole) throw Damaged();
  Reader reader(file, header);
  StoredPlan plan = reader.read();
  // Reading all weights takes as long as an inference: once for each state of the file is enough.
  if (folder.remembered(path) != header.contents) {
    if (reader.contents() != header.contents) throw Damaged();
    folder.remember(path, header.contents);
  }
  return plan;
}

}  // namespace

bool write_plan(const Folder& folder, const Hash& key, const PlanRecord& record) {
  if (!folder.used()) return false;
  Writer writer(record);
  const Header header = writer.header(key);
  const fs::path path = folder.file(key, "plan");
  if (header.file_bytes > Folder::max_bytes) return false;
  if (!folder.write(path, [&](const FileAppend& append) { writer.write(header, append); })) return false;
  folder.remember(path, header.contents);
  return true;
}

std::optional<StoredPlan> read_plan(const Folder& folder, const Hash& key) {
  const fs::path path = folder.file(key, "plan");
  std::error_code error;
  if (!folder.used() || !fs::is_regular_file(path, error)) return std::nullopt;
  try {
    return read_checked(folder, path, key);
  } catch (const Damaged&) {
    warn("the cached plan '" + path.string() + "' is damaged; it is made anew");
  } catch (const Error& problem) {
    warn("the cached plan cannot be read and is made anew: " + std::string(problem.what()));
  }
  fs::remove(path, error);
  return std::nullopt;
}

}  // namespace hone::cache
