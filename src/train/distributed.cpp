#include "train/distributed.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <ATen/ATen.h>
#include <fmt/format.h>

// libtorch's own flags say whether it was built with Gloo; its header wants Gloo's.
#if defined(USE_C10D_GLOO) && __has_include(<gloo/context.h>)
#define HONE_HAS_GLOO 1
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

#include "base/error.hpp"

namespace hone {

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::optional<int> number(const char* name, int least, int most) {
  std::string text = variable(name);
  if (text.empty()) return std::nullopt;
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    throw Error(fmt::format("environment variable {}", name),
                fmt::format("is '{}', expected {} to {}", text, least, most),
                "it is set by torchrun or mpirun, or by hand in each process");
  return value;
}

}  // namespace

ProcessPlace process_place() {
  constexpr int most = 1 << 16;
  bool mpi = variable("WORLD_SIZE").empty() && !variable("OMPI_COMM_WORLD_SIZE").empty();
  const char* size_name = mpi ? "OMPI_COMM_WORLD_SIZE" : "WORLD_SIZE";
  const char* rank_name = mpi ? "OMPI_COMM_WORLD_RANK" : "RANK";
  ProcessPlace place;
  place.size = number(size_name, 1, most).value_or(1);
  if (place.size == 1) return place;
  std::string missing = fmt::format("is not set, {} is {}", size_name, place.size);
  std::optional<int> rank = number(rank_name, 0, place.size - 1);
  if (!rank)
    throw Error(fmt::format("environment variable {}", rank_name), missing,
                fmt::format("each process needs its own number, 0 to {}", place.size - 1));
  place.rank = *rank;
  place.address = variable("MASTER_ADDR");
  if (place.address.empty() && !mpi)
    throw Error("environment variable MASTER_ADDR", missing,
                "set it to the address of the machine of rank 0, such as 127.0.0.1");
  if (place.address.empty()) place.address = "localhost";
  place.port = number("MASTER_PORT", 1, 65535).value_or(place.port);
  place.local_size = number(mpi ? "OMPI_COMM_WORLD_LOCAL_SIZE" : "LOCAL_WORLD_SIZE", 1, most).value_or(1);
  place.timeout = std::chrono::seconds(
      number("HONE_PROCESS_TIMEOUT", 1, 1 << 20).value_or(static_cast<int>(place.timeout.count())));
  return place;
}

std::shared_ptr<ProcessGroup> ProcessGroup::from_environment() {
  ProcessPlace place = process_place();
  return place.size == 1 ? nullptr : std::make_shared<ProcessGroup>(place);
}

#ifdef HONE_HAS_GLOO

struct ProcessGroup::State {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group;
};

namespace {

/// The first line of what libtorch says, without its stack.
std::string first_line(const std::exception& error) {
  std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

/// The interface towards the machine of rank 0 is GLOO_SOCKET_IFNAME's, or that of this machine's name.
std::shared_ptr<gloo::transport::Device> network_device(const std::string& address) {
  if (std::string name = variable("GLOO_SOCKET_IFNAME"); !name.empty())
    return c10d::ProcessGroupGloo::createDeviceForInterface(name);
  if (address == "localhost" || address == "127.0.0.1")
    return c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  return c10d::ProcessGroupGloo::createDefaultDevice();
}

template <class Call>
void guarded(const ProcessPlace& place, Call call) {
  try {
    call();
  } catch (const std::exception& error) {
    throw Error(fmt::format("training process {} of {}", place.rank, place.size),
                "another process has ended or does not answer (" + first_line(error) + ")",
                "see what the others say; start all of them again with --resume to continue from the last checkpoint");
  }
}

}  // namespace

ProcessGroup::ProcessGroup(const ProcessPlace& place) : place_(place), state_(std::make_unique<State>()) {
  try {
    c10d::TCPStoreOptions options;
    options.port = static_cast<uint16_t>(place.port);
    // torchrun itself listens at the address, and may start processes again.
    bool launched = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
    options.isServer = place.rank == 0 && !launched;
    if (!launched) options.numWorkers = static_cast<size_t>(place.size);
    options.timeout = std::min(place.timeout, std::chrono::seconds(300));
    auto store = c10::make_intrusive<c10d::TCPStore>(place.address, options);
    state_->store = c10::make_intrusive<c10d::PrefixStore>("hone/" + variable("TORCHELASTIC_RESTART_COUNT"), store);
    auto gloo = c10d::ProcessGroupGloo::Options::create(options.timeout);
    gloo->devices.push_back(network_device(place.address));
    gloo->timeout = place.timeout;
    state_->group = c10::make_intrusive<c10d::ProcessGroupGloo>(state_->store, place.rank, place.size, gloo);
  } catch (const std::exception& error) {
    throw Error(
        fmt::format("training process {} of {}", place.rank, place.size),
        fmt::format("cannot meet the others at {} port {} ({})", place.address, place.port, first_line(error)),
        "start all processes with the same WORLD_SIZE, MASTER_ADDR and MASTER_PORT and a RANK of their own; the "
        "port must be free and reachable");
  }
}

void ProcessGroup::sum(at::Tensor& tensor) {
  guarded(place_, [&] {
    std::vector<at::Tensor> list{tensor};
    state_->group->allreduce(list)->wait();
  });
}

void ProcessGroup::share(const std::vector<at::Tensor>& tensors) {
  guarded(place_, [&] {
    at::NoGradGuard no_grad;
    for (const at::Tensor& tensor : tensors) {
      std::vector<at::Tensor> list{tensor.detach().contiguous()};
      state_->group->broadcast(list)->wait();
      if (!list[0].is_same(tensor)) tensor.detach().copy_(list[0]);
    }
  });
}

#else

struct ProcessGroup::State {};

ProcessGroup::ProcessGroup(const ProcessPlace& place) : place_(place) {
  throw Error(fmt::format("training in {} processes", place.size), "this build of Hone has no Gloo",
              "install libgloo-dev and build again, or unset WORLD_SIZE");
}

void ProcessGroup::sum(at::Tensor&) {}
void ProcessGroup::share(const std::vector<at::Tensor>&) {}

#endif

ProcessGroup::~ProcessGroup() = default;

void ProcessGroup::sum(std::span<double> values) {
  at::Tensor tensor = at::from_blob(values.data(), {static_cast<int64_t>(values.size())}, at::kDouble);
  sum(tensor);
}

std::vector<double> ProcessGroup::sum(std::vector<double> values) {
  sum(std::span<double>(values));
  return values;
}

std::string ProcessGroup::share(const std::string& text) {
  auto bytes = static_cast<int64_t>(sum({first() ? static_cast<double>(text.size()) : 0})[0]);
  if (bytes == 0) return {};
  std::string all = text;
  all.resize(static_cast<size_t>(bytes));
  share(std::vector<at::Tensor>{at::from_blob(all.data(), {bytes}, at::kByte)});
  return all;
}

}  // namespace hone
