#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "compile/cache/folder.hpp"
#include "graph/graph.hpp"

/// A compiled plan as a file that is mapped, not parsed: the lowered graph, the kernel of each node, and the weights as
/// the kernels read them.
namespace hone::cache {

/// What a device keeps of one step.
struct StoredStep {
  std::string kernel;                              ///< as the device calls it
  std::vector<std::string> notes;                  ///< how it was chosen, for people
  std::vector<std::span<const std::byte>> packed;  ///< weights in its own form
};

/// A plan read from the cache. Constants that only kernels with packed weights used have no data (raw() is null).
struct StoredPlan {
  std::shared_ptr<const MappedFile> file;  ///< keeps what `steps` and the constants point to
  Graph graph;
  std::vector<StoredStep> steps;  ///< in the order of execution
};

/// What is written. The image of the graph is made before kernels take its weights away, see write_graph().
struct PlanRecord {
  std::string graph;              ///< write_graph()
  std::vector<Tensor> constants;  ///< in its order; not defined where nobody needs the data
  std::vector<StoredStep> steps;
};

/// Writes the plan of this key. False when it cannot be written, which is no error.
bool write_plan(const Folder& folder, const Hash& key, const PlanRecord& record);
/// The plan of this key, if the folder has one that is whole. One that is damaged is removed, with a warning.
std::optional<StoredPlan> read_plan(const Folder& folder, const Hash& key);

}  // namespace hone::cache
