#pragma once
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace at {
class Tensor;
}

namespace hone {

/// Who this process is among those that train together.
struct ProcessPlace {
  int rank = 0, size = 1, local_size = 1;  ///< local_size: processes on this machine, as far as the launcher says
  std::string address;                     ///< of the machine of rank 0
  int port = 29500;
  std::chrono::seconds timeout{1800};  ///< for an answer of the others
};

/// The place by the environment of torchrun (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT, LOCAL_WORLD_SIZE) or mpirun
/// (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE; MASTER_ADDR localhost by default); HONE_PROCESS_TIMEOUT in seconds.
/// Size 1 where nothing is set. Throws Error naming the variable that is missing or wrong.
ProcessPlace process_place();

/// The processes that train one model together, through libtorch's c10d with Gloo over TCP. Every call is made by all
/// of them in the same order; it throws Error when another has ended or does not answer in time.
class ProcessGroup {
 public:
  /// Meets the others. Throws Error when they are not there in time (at most 5 minutes).
  explicit ProcessGroup(const ProcessPlace& place);
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;
  /// Null where process_place() has size 1.
  static std::shared_ptr<ProcessGroup> from_environment();

  int rank() const { return place_.rank; }
  int size() const { return place_.size; }
  int local_size() const { return place_.local_size; }
  bool first() const { return rank() == 0; }

  void sum(at::Tensor& tensor);                        ///< contiguous; the same bits in every process
  void sum(std::span<double> values);
  std::vector<double> sum(std::vector<double> values);
  void share(const std::vector<at::Tensor>& tensors);  ///< all become those of rank 0, which have the same sizes
  std::string share(const std::string& text);          ///< that of rank 0

 private:
  struct State;
  ProcessPlace place_;
  std::unique_ptr<State> state_;
};

}  // namespace hone
