#include "compile/cache/cached_source.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "compile/cache/bytes.hpp"

namespace hone::cache {

namespace {

constexpr size_t kMostPlans = 8;  // in memory, and in the record of a model
constexpr uint64_t kFormat = 2;

void put(ByteWriter& out, const std::vector<Port>& ports) {
  out.put(static_cast<uint64_t>(ports.size()));
  for (const Port& port : ports) {
    out.put(port.name), out.put(port.dtype), out.put(port.shape.ranked);
    out.put(static_cast<uint64_t>(port.shape.dims.size()));
    for (const Dim& dim : port.shape.dims) out.put(dim.value), out.put(dim.symbol);
  }
}

void get(ByteReader& in, std::vector<Port>& ports) {
  ports.resize(in.count());
  for (Port& port : ports) {
    in.get(port.name), in.get(port.dtype), in.get(port.shape.ranked);
    port.shape.dims.resize(in.count());
    for (Dim& dim : port.shape.dims) in.get(dim.value), in.get(dim.symbol);
  }
}

void put(ByteWriter& out, const std::optional<batch::Slices>& slices) {
  out.put(slices.has_value());
  if (!slices) return;
  out.put(slices->size), out.put(slices->count), out.put(slices->at_a_time), out.put(slices->cut);
  out.put(static_cast<uint64_t>(slices->outputs.size()));
  for (const auto& [dtype, dims] : slices->outputs) out.put(dtype), out.put(dims);
}

void get(ByteReader& in, std::optional<batch::Slices>& slices) {
  bool any = false;
  in.get(any);
  if (!any) return;
  slices.emplace();
  in.get(slices->size), in.get(slices->count), in.get(slices->at_a_time), in.get(slices->cut);
  slices->outputs.resize(in.count());
  for (auto& [dtype, dims] : slices->outputs) in.get(dtype), in.get(dims);
}

}  // namespace

CachedSource::CachedSource(Folder folder, const Hash& key, Open open, Restore restore)
    : folder_(std::move(folder)), key_(key), open_(std::move(open)), restore_(std::move(restore)) {
  if (!read_record()) open_model();
}

/// The file is the bytes of write_record() behind their hash.
bool CachedSource::read_record() {
  const auto path = folder_.file(key_, "model");
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  try {
    const auto file = MappedFile::open(path);
    Hash hash{};
    ByteReader in(file->bytes());
    in.get(hash);
    if (hash != hash_bytes(file->bytes().subspan(sizeof hash)) || in.get<uint64_t>() != kFormat) return false;
    get(in, record_.inputs), get(in, record_.outputs);
    for (size_t left = in.count(); left > 0; --left) {
      auto name = in.get<std::string>();
      record_.metadata[name] = in.get<std::string>();
    }
    record_.plans.resize(in.count());
    for (Entry& entry : record_.plans) in.get(entry.sizes), in.get(entry.plan), get(in, entry.slices);
    return in.done();
  } catch (const Damaged&) {
  } catch (const Error&) {
  }
  record_ = {};
  return false;
}

void CachedSource::write_record() const {
  ByteWriter out;
  out.put(kFormat);
  put(out, record_.inputs), put(out, record_.outputs);
  out.put(static_cast<uint64_t>(record_.metadata.size()));
  for (const auto& [name, text] : record_.metadata) out.put(name), out.put(text);
  out.put(static_cast<uint64_t>(record_.plans.size()));
  for (const Entry& entry : record_.plans) out.put(entry.sizes), out.put(entry.plan), put(out, entry.slices);
  const Hash hash = hash_bytes(std::as_bytes(std::span(out.bytes())));
  folder_.write(folder_.file(key_, "model"), [&](const FileAppend& append) {
    append(&hash, sizeof hash);
    append(out.bytes().data(), out.bytes().size());
  });
}

void CachedSource::open_model() {
  Opened opened = open_();
  model_ = std::move(opened.model);
  keep_ = opened.keep;
  restored_.clear();
  record_.inputs = model_->inputs(), record_.outputs = model_->outputs(), record_.metadata = model_->metadata();
}

std::shared_ptr<const Plan> CachedSource::restored(const Entry& entry) const {
  if (!entry.slices) return restore_(entry.plan, false);
  auto slice = restore_(entry.plan, entry.slices->at_a_time > 1);
  return slice ? batch::make_sliced_plan(std::move(slice), *entry.slices) : nullptr;
}

std::shared_ptr<const Plan> CachedSource::plan_for(std::span<const Dims> input_dims) {
  std::lock_guard lock(mutex_);
  const Sizes sizes(input_dims.begin(), input_dims.end());
  for (auto it = restored_.begin(); it != restored_.end(); ++it)
    if (it->first == sizes) {
      restored_.splice(restored_.begin(), restored_, it);
      return restored_.front().second;
    }
  auto same = [&](const Entry& entry) { return entry.sizes == sizes; };
  if (!model_) {
    auto known = std::find_if(record_.plans.begin(), record_.plans.end(), same);
    auto plan = known == record_.plans.end() ? nullptr : restored(*known);
    if (plan) {
      restored_.emplace_front(sizes, plan);
      if (restored_.size() > kMostPlans) restored_.pop_back();
      return plan;
    }
    open_model();
  }
  auto plan = model_->plan_for(input_dims);
  const auto* kept = dynamic_cast<const KeptPlan*>(plan.get());
  if (keep_ && kept && kept->cache_key() && std::none_of(record_.plans.begin(), record_.plans.end(), same)) {
    record_.plans.push_back({sizes, *kept->cache_key(), {}});
    if (kept->slices()) record_.plans.back().slices = *kept->slices();
    if (record_.plans.size() > kMostPlans) record_.plans.erase(record_.plans.begin());
    write_record();
  }
  return plan;
}

}  // namespace hone::cache
