/* A stand-in for libedgetpu, compiled by the tests: a TFLite delegate that claims every
 * edgetpu-custom-op, and the enumeration calls of libedgetpu's edgetpu_c.h. No Edge TPU is needed.
 *
 * A model of three colours (and a background) is answered with the colour that is the most in the
 * picture, any other with a class that follows from the bytes of its input.
 *
 * The environment variable EDGESCALE_DOUBLE says how it behaves, as NAME=VALUE,NAME=VALUE; with
 * @FILE that is read from a file, anew at each call, so that it can be changed while it runs:
 *   latency_ms=F    time of an invoke at full clock; Performance Low, Medium, High takes 8, 4, 2 x
 *   ns_per_byte=F   and so much more for each byte of the input, so that large models are slow
 *   fail_at=N, abort_at=N, hang_at=N    what the N-th invoke of the process does; 1 is the first
 *   every=1         and each N-th after it
 *   load=fail|abort|hang|segv           what loading the delegate does
 *   once=FILE       a fault happens only if this file can be removed: so many files, so many faults
 *   devices=N       how many there are (1); bus=pci makes them PCIe instead of USB
 *   runtime=N       the RuntimeVersion that edgetpu_version tells (14)
 *
 * Only the head of each TFLite structure is declared, as far as it is used (tensorflow/lite/c/common.h).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct { int size; int data[]; } IntArray;
typedef struct {
  int type;
  uint8_t *data;
  IntArray *dims;
  float scale;
  int32_t zero_point;
  int allocation;
  size_t bytes;
  char rest[112 - 48]; /* sizeof(TfLiteTensor) is 112 on 64 bits */
} Tensor;
typedef struct { IntArray *inputs, *outputs; } NodeHead;
typedef struct Delegate Delegate;
typedef struct Context Context;

typedef struct {
  void *(*init)(Context *, const char *, size_t);
  void (*free)(Context *, void *);
  int (*prepare)(Context *, NodeHead *);
  int (*invoke)(Context *, NodeHead *);
  const char *(*profiling_string)(const Context *, const NodeHead *);
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *spare[4];
} Registration;

struct Context {
  size_t tensors_size;
  int (*get_execution_plan)(Context *, IntArray **);
  Tensor *tensors;
  void *impl, *resize_tensor;
  void (*report_error)(Context *, const char *, ...);
  void *add_tensors;
  int (*get_node_and_registration)(Context *, int, NodeHead **, Registration **);
  int (*replace)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
  void *data;
  int (*prepare)(Context *, Delegate *);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void *spare[2];
};

struct edgetpu_device { int type; const char *path; }; /* 0 is PCIe, 1 is USB */

enum { INT8 = 9, SIGN = 0x80, BEST = 250, MOST_DEVICES = 8, FNV_PRIME = 16777619 };
static int verbose, invokes;
static double clock_factor = 1;

/* Copies the value of a setting; 0 where it is not given. */
static int setting(const char *name, char value[256]) {
  char text[4096];
  const char *from = getenv("EDGESCALE_DOUBLE");
  char *state, *one;
  size_t length = strlen(name);
  snprintf(text, sizeof text, "%s", from ? from : "");
  if (*text == '@') {
    FILE *file = fopen(from + 1, "r");
    text[file ? fread(text, 1, sizeof text - 1, file) : 0] = 0;
    if (file) fclose(file);
  }
  for (one = strtok_r(text, ", \n", &state); one; one = strtok_r(NULL, ", \n", &state))
    if (!strncmp(one, name, length) && one[length] == '=')
      return snprintf(value, 256, "%s", one + length + 1);
  return 0;
}

static double number(const char *name, double otherwise) {
  char value[256];
  return setting(name, value) ? atof(value) : otherwise;
}

static int is(const char *name, const char *wanted) {
  char value[256];
  return setting(name, value) && !strcmp(value, wanted);
}

static int may_go_wrong(void) {
  char file[256];
  return !setting("once", file) || !unlink(file);
}

static int due(const char *name) {
  int at = number(name, 0);
  return at && (invokes == at || (is("every", "1") && invokes % at == 0)) && may_go_wrong();
}

static void abort_as_the_driver_does(void) {
  fputs("F driver/usb/usb_driver.cc:857] transfer on tag 1 failed. Abort. Deadline exceeded:"
        " USB transfer error 2 [LibUsbDataOutCallback]\n", stderr);
  abort();
}

static void hang(void) { for (;;) pause(); }

static void wait_ms(double ms) {
  struct timespec left = {ms / 1000, (ms - (long)(ms / 1000) * 1000.0) * 1e6};
  while (nanosleep(&left, &left)) {}
}

static unsigned answer(const Tensor *input, size_t classes) {
  unsigned hash = 2166136261u, best = 0;
  long sums[3] = {0, 0, 0};
  for (size_t i = 0; i < input->bytes; i++) {
    sums[i % 3] += input->data[i];
    hash = (hash ^ input->data[i]) * FNV_PRIME; /* FNV-1a */
  }
  if (classes != 3 && classes != 4) return hash % classes;
  for (int i = 1; i < 3; i++) if (sums[i] > sums[best]) best = i;
  return classes - 3 + best;
}

static int prepare_node(Context *context, NodeHead *node) { return 0; }

static int invoke(Context *context, NodeHead *node) {
  Tensor *input = &context->tensors[node->inputs->data[0]];
  invokes++;
  if (due("abort_at")) abort_as_the_driver_does();
  if (due("hang_at")) hang();
  if (due("fail_at")) {
    context->report_error(context, "double: transfer failed");
    return 1;
  }
  wait_ms(clock_factor * (number("latency_ms", 0) + number("ns_per_byte", 0) * input->bytes / 1e6));
  for (int i = 0; i < node->outputs->size; i++) {
    Tensor *output = &context->tensors[node->outputs->data[i]];
    int sign = output->type == INT8 ? SIGN : 0; /* int8 is the chip's uint8 less 128 */
    memset(output->data, sign, output->bytes);
    output->data[answer(input, output->bytes)] = BEST ^ sign;
  }
  return 0;
}

static int prepare(Context *context, Delegate *delegate) {
  Registration kernel = {0}, *registration;
  IntArray *plan, *mine;
  NodeHead *node;
  int status;
  if (context->get_execution_plan(context, &plan)) return 1;
  mine = malloc(sizeof *mine + plan->size * sizeof(int));
  mine->size = 0;
  for (int i = 0; i < plan->size; i++) {
    if (context->get_node_and_registration(context, plan->data[i], &node, &registration)) return 1;
    if (registration->custom_name && !strcmp(registration->custom_name, "edgetpu-custom-op"))
      mine->data[mine->size++] = plan->data[i];
  }
  kernel.prepare = prepare_node;
  kernel.invoke = invoke;
  kernel.custom_name = "FakeEdgeTpu";
  kernel.version = 1;
  status = context->replace(context, kernel, mine, delegate);
  free(mine);
  return status;
}

static int devices(void) {
  int count = number("devices", 1);
  return count > MOST_DEVICES ? MOST_DEVICES : count;
}

/* "usb", "usb:1", ":0", or empty for any. */
static int is_there(const char *device) {
  const char *bus = is("bus", "pci") ? "pci" : "usb", *index = strchr(device, ':');
  size_t length = index ? (size_t)(index - device) : strlen(device);
  if (length && (length != 3 || strncmp(device, bus, 3))) return 0;
  return (index ? atoi(index + 1) : 0) < devices();
}

static int takes(const char *key, const char *value) {
  static const char *const clocks[] = {"Max", "High", "Medium", "Low"};
  if (!strcmp(key, "device")) return is_there(value);
  if (!strcmp(key, "Performance"))
    for (int i = 0; i < 4; i++)
      if (!strcmp(value, clocks[i])) return clock_factor = 1 << i, 1;
  return 0;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                        void (*report)(const char *)) {
  Delegate *delegate;
  int fits = is_there("");
  for (size_t i = 0; i < count; i++) fits = fits && takes(keys[i], values[i]);
  if (fits && is("load", "abort") && may_go_wrong()) abort_as_the_driver_does();
  if (fits && is("load", "hang") && may_go_wrong()) hang();
  if (fits && is("load", "segv") && may_go_wrong()) *(volatile int *)8 = 0;
  if (!fits || (is("load", "fail") && may_go_wrong())) {
    if (verbose) fputs("Failed allocating Edge TPU device for shared ownership.\n", stderr);
    return NULL; /* as the real one: without a reason */
  }
  delegate = calloc(1, sizeof *delegate);
  delegate->prepare = prepare;
  delegate->flags = 1; /* as libedgetpu has it; without it the operator stays unresolved */
  return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }

struct edgetpu_device *edgetpu_list_devices(size_t *count) {
  static char paths[MOST_DEVICES][40];
  struct edgetpu_device *list;
  int pci = is("bus", "pci");
  *count = devices();
  if (!*count) return NULL;
  list = calloc(*count, sizeof *list);
  for (size_t i = 0; i < *count; i++) {
    snprintf(paths[i], sizeof paths[i], pci ? "/dev/apex_%zu" : "/sys/bus/usb/devices/2-%zu", i + !pci);
    list[i] = (struct edgetpu_device){!pci, paths[i]};
  }
  return list;
}

void edgetpu_free_devices(struct edgetpu_device *list) { free(list); }

void edgetpu_verbosity(int level) { verbose = level > 0; }

const char *edgetpu_version(void) {
  static char text[80];
  snprintf(text, sizeof text, "BuildLabel(COMPILER=test double), RuntimeVersion(%d)",
           (int)number("runtime", 14));
  return text;
}
