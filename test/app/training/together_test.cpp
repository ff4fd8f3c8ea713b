// Training in several processes.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include <gmock/gmock.h>

#include "app/training/train_command.hpp"

namespace hone::app_test {
namespace {

using ::testing::HasSubstr;

/// A port that was free a moment ago.
std::string free_port() {
  int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ::bind(socket, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return std::to_string(ntohs(address.sin_port));
}

/// Started with these variables in its environment.
std::unique_ptr<Process> start(const std::map<std::string, std::string>& variables,
                               const std::vector<std::string>& arguments) {
  for (auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
  auto process = std::make_unique<Process>(arguments);
  for (auto& [name, value] : variables) ::unsetenv(name.c_str());
  return process;
}

std::unique_ptr<Process> start_rank(int rank, int size, const std::string& port,
                                    const std::vector<std::string>& arguments) {
  return start({{"RANK", std::to_string(rank)}, {"WORLD_SIZE", std::to_string(size)}, {"MASTER_ADDR", "127.0.0.1"},
                {"MASTER_PORT", port}, {"HONE_PROCESS_TIMEOUT", "60"}}, arguments);
}

nlohmann::json record_of(const std::string& out) { return nlohmann::json::parse(read_text_file(out + "/train.json")); }

/// Up to rounding, which grows from step to step.
void expect_same_losses(const std::string& a, const std::string& b, double tolerance = 1e-4) {
  nlohmann::json first = record_of(a)["history"], second = record_of(b)["history"];
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i)
    for (const char* name : {"loss", "validation_loss"}) {
      double expected = first[i][name].get<double>();
      EXPECT_NEAR(second[i][name].get<double>(), expected, tolerance * std::abs(expected))
          << name << " of epoch " << i + 1;
    }
}

std::vector<std::string> with_threads(const std::string& data, const std::string& out, const std::string& threads) {
  std::vector<std::string> command = train_command(data, out, "4");
  command.back() = threads;
  return command;
}

/// Trains with `command` in one process of `threads` threads, and in two of one, into another folder.
void expect_the_same_of_two(std::vector<std::string> command, const TemporaryFolder& folder, const char* threads = "1",
                            double tolerance = 1e-4) {
  std::string alone = (folder / "alone").string(), out = (folder / "m").string(), port = free_port();
  std::string &output = command[3], &thread_count = *(std::find(command.begin(), command.end(), "--threads") + 1);
  output = alone;
  thread_count = threads;
  Result one = hone(command);
  ASSERT_EQ(one.code, 0) << one.err;
  output = (folder / "never").string();
  thread_count = "1";
  auto second = start_rank(1, 2, port, command);
  output = out;
  Result first = start_rank(0, 2, port, command)->wait(), other = second->wait();
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(other.code, 0) << other.err;
  EXPECT_EQ(other.err + other.out, "");
  EXPECT_FALSE(std::filesystem::exists(folder / "never"));
  expect_same_losses(alone, out, tolerance);
}

TEST(Together, TwoProcessesTrainAsTwoThreadsDo) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 24), out = (folder / "m").string();
  expect_the_same_of_two(train_command(data, out), folder, "2", 1e-6);
  EXPECT_EQ(hone({"eval", out + "/model.onnx", out + "/validation.csv"}).code, 0);
}

/// Normalization is by the statistics of the whole batch. The network and the rate are such that rounding does not
/// grow.
TEST(Together, TwoProcessesTrainAsOneDoes) {
  TemporaryFolder folder;
  std::vector<std::string> more = {"--template", "resnet18", "--lr", "0.01"};
  expect_the_same_of_two(train_command(write_data(folder, 24), "") + more, folder);
}

TEST(Together, TwoProcessesTrainADetectorAsOneDoes) {
  TemporaryFolder folder;
  expect_the_same_of_two(detection_command(write_squares(folder), "") + std::vector<std::string>{"--epochs", "1"},
                         folder);
}

/// Two steps, and a validation of what they made: 1% of the rate is 1% of its loss, rounding below 1e-5. The branch
/// that pools whole images normalizes four nearly equal numbers, which makes rounding a hundredfold with every epoch.
TEST(Together, TwoProcessesTrainASegmenterAsOneDoes) {
  TemporaryFolder folder;
  expect_the_same_of_two(segmentation_command(write_squares_with_masks(folder), "") +
                             std::vector<std::string>{"--epochs", "1", "--optimizer", "sgd", "--lr", "0.01"}, folder);
}

/// The clock of the first process says when all end.
TEST(Together, ATimeLimitEndsAllAtTheSameStep) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 24), out = (folder / "m").string();
  for (const char* limit : {"--minutes", "--time"}) {
    std::vector<std::string> command = {"train",     data, "-o",     out,  limit,     "0.05",
                                        "--threads", "1",  "--size", "16", "--width", "0.1"};
    std::string port = free_port();
    auto second = start_rank(1, 2, port, command);
    Result first = start_rank(0, 2, port, command)->wait(), other = second->wait();
    EXPECT_EQ(first.code, 0) << limit << first.err;
    EXPECT_EQ(other.code, 0) << limit << other.err;
    EXPECT_EQ(record_of(out)["stopped"], "time");
  }
}

TEST(Together, AKilledProcessEndsTheOthersAndAllResume) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 24), alone = (folder / "alone").string(), out = (folder / "m").string();
  std::vector<std::string> command = with_threads(data, out, "1"), threads = with_threads(data, alone, "2");
  command[5] = threads[5] = "10";
  ASSERT_EQ(hone(threads).code, 0);
  std::string port = free_port();
  auto second = start_rank(1, 2, port, command), first = start_rank(0, 2, port, command);
  for (int i = 0; i < 60000 && !std::filesystem::exists(out + "/checkpoint.bin"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  second->send(SIGKILL);
  ASSERT_EQ(second->wait().code, 128 + SIGKILL) << "ended before it was killed";
  Result left = first->wait();
  EXPECT_EQ(left.code, 1);
  EXPECT_THAT(left.err, HasSubstr("training process 0 of 2: another process has ended"));
  EXPECT_FALSE(std::filesystem::exists(out + "/model.onnx"));

  port = free_port();
  second = start_rank(1, 2, port, {"train", data, "-o", (folder / "never").string(), "--resume"});
  Result resumed = start_rank(0, 2, port, {"train", data, "-o", out, "--resume"})->wait();
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(second->wait().code, 0);
  expect_same_losses(alone, out);
}

TEST(Together, CtrlCInOneSavesAndEndsAll) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 24), out = (folder / "m").string(), port = free_port();
  std::vector<std::string> command = with_threads(data, out, "1");
  command[5] = "1000";
  auto second = start_rank(1, 2, port, command), first = start_rank(0, 2, port, command);
  for (int i = 0; i < 60000 && !std::filesystem::exists(out + "/checkpoint.bin"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  second->send(SIGINT);
  Result stopped = first->wait();
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_THAT(stopped.err, HasSubstr("--resume to continue"));
  EXPECT_EQ(second->wait().code, 130);
}

TEST(Together, SaysWhatIsWrong) {
  TemporaryFolder folder;
  std::string data = write_data(folder, 8), out = (folder / "m").string();
  std::vector<std::string> command = train_command(data, out);
  struct Case {
    std::map<std::string, std::string> variables;
    const char* error;
  };
  const Case cases[] = {
      {{{"WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}}, "environment variable RANK: is not set, WORLD_SIZE is 2"},
      {{{"WORLD_SIZE", "2"}, {"RANK", "2"}}, "RANK: is '2', expected 0 to 1"},
      {{{"WORLD_SIZE", "two"}}, "WORLD_SIZE: is 'two'"},
      {{{"WORLD_SIZE", "2"}, {"RANK", "0"}}, "MASTER_ADDR: is not set"},
      {{{"WORLD_SIZE", "2"},
        {"RANK", "1"},
        {"MASTER_ADDR", "127.0.0.1"},
        {"MASTER_PORT", free_port()},
        {"HONE_PROCESS_TIMEOUT", "1"}},
       "cannot meet the others at 127.0.0.1 port"},
  };
  for (const Case& c : cases) {
    Result result = start(c.variables, command)->wait();
    EXPECT_EQ(result.code, 1) << c.error;
    EXPECT_THAT(result.err, HasSubstr(c.error));
  }
  std::string port = free_port();
  auto second = start_rank(1, 2, port, command + std::vector<std::string>{"--lr", "0.3"});
  Result first = start_rank(0, 2, port, command)->wait();
  EXPECT_EQ(first.code, 1);
  EXPECT_THAT(first.err, HasSubstr("other settings"));
  EXPECT_THAT(second->wait().err, HasSubstr("learning_rate"));
}

}  // namespace
}  // namespace hone::app_test
