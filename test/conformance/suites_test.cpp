#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <ostream>

#include "app/support/conformance.hpp"

// The ONNX backend tests on every device: Debian's, and the newer ones beside the project. A case of the ignore list
// that passes is a failure: its line should go.
namespace hone::app {
namespace {

namespace fs = std::filesystem;

struct Suite {
  const char* name;
  /// The folder of the suite; empty when this machine does not have it.
  fs::path (*find)();
  const char* absent;
};

fs::path debian_suite() {
  fs::path folder = "/usr/share/libonnx-testdata/data";
  return fs::exists(folder) ? folder : fs::path();
}

/// The suite's archive, unpacked into the build folder. Other test programs may do so at the same moment.
fs::path archived_suite() {
  const char* variable = std::getenv("HONE_DATA");
  fs::path archive =
      (variable ? fs::path(variable) : fs::path(HONE_SOURCE_DIR) / ".." / "shared") / "conformance/onnx-1.16.tar.gz";
  if (!fs::exists(archive)) return {};
  fs::path suites = HONE_SUITES_DIR, target = suites / "onnx-1.16";
  if (fs::exists(target)) return target;
  fs::create_directories(suites);
  std::string fresh = (suites / "unpack-XXXXXX").string();
  if (!::mkdtemp(fresh.data())) throw std::runtime_error("cannot make a folder in " + suites.string());
  std::string command = "tar -xzf '" + archive.string() + "' -C '" + fresh + "'";
  if (std::system(command.c_str()) != 0) throw std::runtime_error("cannot unpack " + archive.string());
  std::error_code taken;
  fs::rename(fresh, target, taken);
  if (taken) fs::remove_all(fresh);
  return target;
}

const Suite suites[] = {
    {"debian", debian_suite, "needs the package libonnx-testdata"},
    {"archive", archived_suite, "needs conformance/onnx-1.16.tar.gz below HONE_DATA"},
};

struct SuiteRun {
  const Suite* suite;
  std::string group, device;
};

void PrintTo(const SuiteRun& run, std::ostream* stream) {
  *stream << run.suite->name << ' ' << run.group << " on " << run.device;
}

std::vector<SuiteRun> all_runs() {
  std::vector<SuiteRun> runs;
  for (const Suite& suite : suites)
    for (const char* group : {"node", "simple", "light", "pytorch-converted", "pytorch-operator"})
      for (const DeviceInfo& device : list_devices()) runs.push_back({&suite, group, device.name});
  return runs;
}

std::string run_name(const ::testing::TestParamInfo<SuiteRun>& info) {
  std::string name = info.param.suite->name + std::string("_") + info.param.group + "_" + info.param.device;
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

class Conformance : public ::testing::TestWithParam<SuiteRun> {};

TEST_P(Conformance, EveryCaseThatIsNotIgnoredPasses) {
  const SuiteRun& run = GetParam();
  fs::path folder = run.suite->find();
  if (folder.empty()) GTEST_SKIP() << run.suite->absent;
  if (!fs::exists(folder / run.group)) GTEST_SKIP() << "this suite has no group " << run.group;
  IgnoreList ignored = IgnoreList::standard();
  std::map<Verdict, int> counts;
  for (const ConformanceCase& test : find_conformance_cases(folder / run.group)) {
    ConformanceResult result = run_conformance_case(test, {.device = run.device, .threads = 1}, ignored);
    ++counts[result.verdict];
    EXPECT_NE(result.verdict, Verdict::failed) << test.name << ": " << result.reason;
    EXPECT_FALSE(result.stale) << test.name << " passes; the ignore list says: " << result.reason;
  }
  EXPECT_GT(counts[Verdict::passed], counts[Verdict::ignored] / 4);
  RecordProperty("passed", counts[Verdict::passed]);
  RecordProperty("ignored", counts[Verdict::ignored]);
}

INSTANTIATE_TEST_SUITE_P(Suites, Conformance, ::testing::ValuesIn(all_runs()), run_name);

}  // namespace
}  // namespace hone::app
