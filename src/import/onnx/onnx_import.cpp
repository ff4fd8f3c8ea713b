#include "import/onnx/onnx_import.hpp"

#include <new>

#include <fmt/format.h>

#include "base/error.hpp"
#include "import/onnx/model.hpp"

namespace hone::onnx {

// A ModelProto begins with its ir_version: field 1, a varint of one byte.
bool looks_like_onnx(std::string_view content) {
  return content.size() > 2 && content[0] == 0x08 && content[1] > 0 && content[1] < 32;
}

Graph import_onnx(const std::shared_ptr<const MappedFile>& file) {
  try {
    return build_graph(read_model(file));
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw Error(fmt::format("'{}'", file->path().string()), "needs more memory than this machine has",
                "use a machine with more memory");
  } catch (const std::exception& problem) {
    // Such as std::length_error: a size in the file that no container can have.
    throw Error(fmt::format("'{}'", file->path().string()), std::string("cannot be read: ") + problem.what(),
                "the file is damaged; download or export it again");
  }
}

}  // namespace hone::onnx
