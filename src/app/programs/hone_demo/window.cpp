#include "app/programs/hone_demo/window.hpp"

#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#ifdef HONE_WINDOW
#include <opencv2/highgui.hpp>
#include <opencv2/imgproc.hpp>

#include "base/interrupt.hpp"
#include "data/image_cv.hpp"
#endif

namespace hone::app {

#ifdef HONE_WINDOW

namespace {

/// True when a child process can open a window within five seconds.
bool can_open_window() {
  pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) {
    int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
    signal(SIGABRT, SIG_DFL);
    try {
      cv::namedWindow("hone");
      ::_exit(0);
    } catch (...) {
      ::_exit(1);
    }
  }
  for (int i = 0; i < 500; ++i) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return false;
}

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value && *value;
}

}  // namespace

std::string Window::obstacle() {
  if (!is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY"))
    return "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)";
  if (!can_open_window())
    return "the display does not answer (DISPLAY or WAYLAND_DISPLAY is set, but no window can be opened there)";
  return "";
}

Window::Window(std::string title) : title_(std::move(title)) {
  cv::namedWindow(title_, cv::WINDOW_NORMAL | cv::WINDOW_KEEPRATIO);
}
Window::~Window() { cv::destroyAllWindows(); }

bool Window::show(const Tensor& picture, int milliseconds) {
  cv::Mat bgr;
  cv::cvtColor(view_of(picture), bgr, cv::COLOR_RGB2BGR);
  cv::imshow(title_, bgr);
  int key;
  do {  // in slices, so that Ctrl-C in the terminal and the window's close button are seen
    key = cv::waitKey(milliseconds > 0 ? milliseconds : 100) & 0xFF;
    bool closed = cv::getWindowProperty(title_, cv::WND_PROP_VISIBLE) < 1;
    if (key == 'q' || key == 27 || closed || interrupt_requested()) return false;
  } while (milliseconds == 0 && key == 0xFF);
  return true;
}

#else

std::string Window::obstacle() {
  return "this build shows no windows (libopencv-highgui-dev was missing when it was made)";
}
Window::Window(std::string title) : title_(std::move(title)) {}
Window::~Window() = default;
bool Window::show(const Tensor&, int) { return false; }

#endif

}  // namespace hone::app
