#include <hone/model.hpp>

#include "api/access.hpp"
#include "devices/devices.hpp"
#include "graph/preprocess.hpp"
#include "import/import.hpp"

namespace hone::v0 {

namespace {

std::vector<Port> public_ports(const std::vector<hone::Port>& ports) {
  std::vector<Port> result;
  for (const hone::Port& port : ports) {
    Port same{port.name, static_cast<DType>(port.dtype), {}};
    same.shape.ranked = port.shape.ranked;
    for (const hone::Dim& dim : port.shape.dims) same.shape.dims.push_back({dim.value, dim.symbol});
    result.push_back(std::move(same));
  }
  return result;
}

size_t find_port(const std::vector<Port>& ports, std::string_view name, const char* kind) {
  std::vector<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].name == name) return i;
    names.push_back(ports[i].name);
  }
  std::string known;
  for (const std::string& other : names) known += (known.empty() ? "'" : ", '") + other + "'";
  throw Error(std::string(kind) + " '" + std::string(name) + "'", "the model has none of this name",
              "its " + std::string(kind) + "s are: " + known);
}

}  // namespace

std::vector<DeviceInfo> devices() {
  return translated([] {
    std::vector<DeviceInfo> result;
    for (const hone::DeviceInfo& device : hone::list_devices()) result.push_back({device.name, device.description});
    return result;
  });
}

Model::Impl::Impl(hone::Graph model, const ModelOptions& given) : options(given), graph_(std::move(model)) { finish(); }

Model::Impl::Impl(const std::filesystem::path& file, const ModelOptions& given) : options(given), file_(file) {
  if (options.cache_dir.empty()) graph_ = hone::import_model(file);
  finish();
}

void Model::Impl::finish() {
  check_threads(options.threads);
  auto loaded = source(options.threads);
  inputs = public_ports(loaded->inputs());
  outputs = public_ports(loaded->outputs());
  metadata = graph_ ? graph_->metadata : loaded->metadata();
  labels = hone::get_labels(metadata);
}

std::shared_ptr<hone::PlanSource> Model::Impl::source(int threads) {
  std::lock_guard lock(mutex_);
  auto& slot = sources_[threads];
  if (!slot) {
    hone::DeviceOptions device;
    device.device = options.device;
    device.threads = threads;
    device.cache_dir = options.cache_dir;
    auto import = [file = file_] { return hone::import_model(file); };
    slot = graph_ ? hone::load(*graph_, device) : hone::load_file(file_, import, device);
  }
  return slot;
}

Model::Model(const std::filesystem::path& file, const ModelOptions& options)
    : impl_(translated([&] { return std::make_shared<Impl>(file, options); })) {}

Model Model::from_memory(std::span<const std::byte> bytes, const ModelOptions& options) {
  return translated([&] {
    return ModelAccess::wrap(std::make_shared<Impl>(hone::import_model(bytes, "model in memory"), options));
  });
}

const std::vector<Port>& Model::inputs() const noexcept { return ModelAccess::or_empty(impl_).inputs; }
const std::vector<Port>& Model::outputs() const noexcept { return ModelAccess::or_empty(impl_).outputs; }
size_t Model::input_index(std::string_view name) const {
  return find_port(alive(impl_, "Model")->inputs, name, "input");
}
size_t Model::output_index(std::string_view name) const {
  return find_port(alive(impl_, "Model")->outputs, name, "output");
}
const std::map<std::string, std::string>& Model::metadata() const noexcept {
  return ModelAccess::or_empty(impl_).metadata;
}
const std::vector<std::string>& Model::labels() const noexcept { return ModelAccess::or_empty(impl_).labels; }
const ModelOptions& Model::options() const noexcept { return ModelAccess::or_empty(impl_).options; }

}  // namespace hone::v0
