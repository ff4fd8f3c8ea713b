#include "app/support/trace.hpp"

#include "app/support/format.hpp"

namespace hone::app {

void write_trace(const std::filesystem::path& path, const Latency& latency) {
  Json events = Json::array();
  events.push_back({{"name", "process_name"}, {"ph", "M"}, {"pid", 1}, {"args", {{"name", "hone"}}}});
  double at = 0;
  const auto& steps = latency.plan->steps();
  for (size_t i = 0; i < steps.size(); ++i) {
    const StepInfo& step = steps[i];
    double runs = static_cast<double>(latency.times.runs);
    double microseconds = runs > 0 ? static_cast<double>(latency.times.nanoseconds[i]) * 1e-3 / runs : 0;
    Json details = {
        {"op", step.op}, {"kernel", step.kernel}, {"output", step.shape}, {"flops", step.flops}, {"bytes", step.bytes}};
    events.push_back({{"name", step.node},
                      {"cat", step.op},
                      {"ph", "X"},
                      {"pid", 1},
                      {"tid", 1},
                      {"ts", at},
                      {"dur", microseconds},
                      {"args", details}});
    at += microseconds;
  }
  write_json_file(path, {{"traceEvents", events}, {"displayTimeUnit", "ms"}});
}

}  // namespace hone::app
