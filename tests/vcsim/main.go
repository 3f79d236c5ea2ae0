// A vCenter for the tests: the simulator of govmomi, from Debian's packages, and a hand in it.
//
// It prints its URL when it listens, then does what the lines on its standard input say, one after the other, and
// answers each with one line: `ok …` or `error …`. It ends with its input, so no test that dies leaves one behind.
// What happens is asked for over SOAP, by a session of its own, so that events arise as they do for everyone.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/vmware/govmomi/event"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func main() {
	model := simulator.VPX()
	listen := flag.String("listen", "127.0.0.1:0", "address to listen at; port 0 is any free one")
	cert := flag.String("cert", "", "certificate file; with -key it speaks TLS")
	key := flag.String("key", "", "key file")
	user := flag.String("user", "", "who may log in; empty: anybody")
	password := flag.String("password", "", "with which password")
	flag.DurationVar(&simulator.SessionIdleTimeout, "idle", 0, "a session that says nothing for so long is dropped; 0: never")
	verbose := flag.Bool("verbose", false, "let the simulator tell what it does")
	flag.IntVar(&model.Machine, "vms", model.Machine, "virtual machines of each resource pool")
	flag.Parse()

	if err := model.Create(); err != nil {
		log.Fatal(err)
	}
	defer model.Remove()
	model.Service.RegisterEndpoints = true
	model.Service.Listen = &url.URL{Host: *listen}
	if *user != "" {
		model.Service.Listen.User = url.UserPassword(*user, *password)
	}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			log.Fatal(err)
		}
		model.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	server := model.Service.NewServer()
	server.Config.Handler = &turns{next: server.Config.Handler}
	hand, err := newHand(context.Background(), server.URL)
	if err != nil {
		log.Fatal(err)
	}
	if !*verbose {
		log.SetOutput(io.Discard)
	}
	fmt.Printf("%s://%s%s\n", server.URL.Scheme, server.URL.Host, server.URL.Path)

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	lines := make(chan string)
	go func() {
		input := bufio.NewScanner(os.Stdin)
		for input.Scan() {
			lines <- input.Text()
		}
		close(lines)
	}()
	for {
		select {
		case <-ended:
			return
		case line, more := <-lines:
			if !more {
				return
			}
			if told, err := hand.do(strings.Fields(line)); err != nil {
				fmt.Printf("error %s\n", strings.ReplaceAll(err.Error(), "\n", " "))
			} else {
				fmt.Println(strings.TrimSpace("ok " + told))
			}
		}
	}
}

// Whoever destroys a collector takes its lock and then the one of the events; an event that comes in at that moment
// takes them the other way round, and from then on the simulator (0.24.2) answers nothing about events. So nothing
// else is done meanwhile. Waits are long and take no part in it.
type turns struct {
	sync.RWMutex
	next http.Handler
}

func (t *turns) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	switch {
	case bytes.Contains(body, []byte("WaitForUpdates")):
	case bytes.Contains(body, []byte("DestroyCollector")):
		t.Lock()
		defer t.Unlock()
	default:
		t.RLock()
		defer t.RUnlock()
	}
	t.next.ServeHTTP(answer, request)
}

// The hand that makes things happen.
type hand struct {
	ctx      context.Context
	user     *url.Userinfo
	client   *vim25.Client
	sessions *session.Manager
}

func newHand(ctx context.Context, at *url.URL) (*hand, error) {
	client := soap.NewClient(at, true)
	client.UserAgent = "the hand in the simulator"
	vim, err := vim25.NewClient(ctx, client)
	if err != nil {
		return nil, err
	}
	h := &hand{ctx: ctx, user: at.User, client: vim, sessions: session.NewManager(vim)}
	return h, h.login()
}

// Its own session may have been idle for too long, too.
func (h *hand) login() error {
	own, err := h.sessions.UserSession(h.ctx)
	if err != nil || own != nil {
		return err
	}
	return h.sessions.Login(h.ctx, h.user)
}

func (h *hand) do(words []string) (string, error) {
	if err := h.login(); err != nil {
		return "", err
	}
	if len(words) == 0 {
		return "", errors.New("an empty line")
	}
	args := words[1:]
	needs := map[string]int{"poweron": 1, "poweroff": 1, "destroy": 1, "clone": 2, "annotate": 2, "folder": 2,
		"burst": 2, "eventex": 2, "sessions": 0, "terminate-sessions": 0}
	least, known := needs[words[0]]
	if !known {
		return "", fmt.Errorf("unknown: %s", words[0])
	}
	if len(args) < least {
		return "", fmt.Errorf("%s wants %d words more", words[0], least)
	}
	switch words[0] {
	case "sessions":
		others, err := h.otherSessions()
		return strconv.Itoa(len(others)), err
	case "terminate-sessions":
		others, err := h.otherSessions()
		if err != nil || len(others) == 0 {
			return "0", err
		}
		return strconv.Itoa(len(others)), h.sessions.TerminateSession(h.ctx, others)
	case "burst":
		first, err := strconv.Atoi(args[0])
		if err != nil {
			return "", err
		}
		many, err := strconv.Atoi(args[1])
		if err != nil {
			return "", err
		}
		return "", h.burst(first, many)
	case "eventex":
		return "", h.post(&types.EventEx{EventTypeId: args[0], Severity: "error", Message: strings.Join(args[1:], " ")})
	}
	vm, err := h.machine(args[0])
	if err != nil {
		return "", err
	}
	return vm.Reference().Value, h.change(vm, words[0], args[1:])
}

func (h *hand) change(vm *object.VirtualMachine, what string, args []string) error {
	var task *object.Task
	var err error
	switch what {
	case "poweron":
		task, err = vm.PowerOn(h.ctx)
	case "poweroff":
		task, err = vm.PowerOff(h.ctx)
	case "destroy":
		task, err = vm.Destroy(h.ctx)
	case "annotate":
		task, err = vm.Reconfigure(h.ctx, types.VirtualMachineConfigSpec{Annotation: strings.Join(args, " ")})
	case "clone":
		var home *object.Folder
		if home, err = h.parent(vm); err == nil {
			task, err = vm.Clone(h.ctx, home, args[0], types.VirtualMachineCloneSpec{})
		}
	case "folder": // a new one, below the one in which the machine is, and the machine into it
		var home *object.Folder
		if home, err = h.parent(vm); err == nil {
			if home, err = home.CreateFolder(h.ctx, args[0]); err == nil {
				task, err = home.MoveInto(h.ctx, []types.ManagedObjectReference{vm.Reference()})
			}
		}
	}
	if err != nil {
		return err
	}
	return task.Wait(h.ctx)
}

// Numbered, so that a missing or repeated one is seen: the number is the message's last word.
func (h *hand) burst(first, many int) error {
	for n := first; n < first+many; n++ {
		said := fmt.Sprintf("burst %d", n)
		told := &types.GeneralUserEvent{GeneralEvent: types.GeneralEvent{Message: said}}
		told.FullFormattedMessage = said
		if err := h.post(told); err != nil {
			return err
		}
	}
	return nil
}

func (h *hand) post(what types.BaseEvent) error {
	return event.NewManager(h.client).PostEvent(h.ctx, what)
}

func (h *hand) otherSessions() ([]string, error) {
	var manager mo.SessionManager
	properties := []string{"sessionList", "currentSession"}
	err := property.DefaultCollector(h.client).RetrieveOne(h.ctx, h.sessions.Reference(), properties, &manager)
	if err != nil {
		return nil, err
	}
	var others []string
	for _, one := range manager.SessionList {
		if manager.CurrentSession == nil || one.Key != manager.CurrentSession.Key {
			others = append(others, one.Key)
		}
	}
	return others, nil
}

func (h *hand) machine(name string) (*object.VirtualMachine, error) {
	kinds := []string{"VirtualMachine"}
	all, err := view.NewManager(h.client).CreateContainerView(h.ctx, h.client.ServiceContent.RootFolder, kinds, true)
	if err != nil {
		return nil, err
	}
	defer func() { _ = all.Destroy(h.ctx) }()
	var machines []mo.VirtualMachine
	if err := all.Retrieve(h.ctx, kinds, []string{"name"}, &machines); err != nil {
		return nil, err
	}
	for _, one := range machines {
		if one.Name == name {
			return object.NewVirtualMachine(h.client, one.Reference()), nil
		}
	}
	return nil, fmt.Errorf("no virtual machine is called %s", name)
}

func (h *hand) parent(vm *object.VirtualMachine) (*object.Folder, error) {
	var found mo.VirtualMachine
	err := property.DefaultCollector(h.client).RetrieveOne(h.ctx, vm.Reference(), []string{"parent"}, &found)
	if err != nil {
		return nil, err
	}
	if found.Parent == nil {
		return nil, errors.New("it has no folder")
	}
	return object.NewFolder(h.client, *found.Parent), nil
}
