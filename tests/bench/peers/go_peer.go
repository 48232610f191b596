// What people would write in Go: a small answer, and a POST whose HMAC is checked and that stores nothing.
//
//	go_peer STACK PORT SECRET        STACK: net/http, chi, gin, or gin+metrics
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
)

const jsonType = "application/json"

var status = []byte(`{"status":"ok"}`)
var queued = []byte(`{"state":"queued"}`)

func authentic(secret []byte, body []byte, signature string) bool {
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return hmac.Equal([]byte("sha256="+hex.EncodeToString(mac.Sum(nil))), []byte(signature))
}

func health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", jsonType)
	w.Write(status)
}

func hook(secret []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !authentic(secret, body, r.Header.Get("X-Hub-Signature-256")) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(http.StatusAccepted)
		w.Write(queued)
	}
}

func stdlib(secret []byte) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", health)
	mux.HandleFunc("/hooks/durable", hook(secret))
	return mux
}

func chiRouter(secret []byte) http.Handler {
	router := chi.NewRouter()
	router.Get("/healthz", health)
	router.Post("/hooks/{name}", hook(secret))
	return router
}

// As client_golang's own examples measure handlers: a counter and a histogram, by route and code.
func addMetrics(router *gin.Engine) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector())
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total"}, []string{"route", "code"})
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "request_seconds"}, []string{"route"})
	registry.MustRegister(requests, durations)
	for i := 0; i < 30; i++ { // some 500 series in all, as belayd's with that many hooks
		route := fmt.Sprintf("/hooks/other-%d", i)
		requests.WithLabelValues(route, "202")
		durations.WithLabelValues(route)
	}
	router.Use(func(c *gin.Context) {
		begin := time.Now()
		c.Next()
		requests.WithLabelValues(c.FullPath(), strconv.Itoa(c.Writer.Status())).Inc()
		durations.WithLabelValues(c.FullPath()).Observe(time.Since(begin).Seconds())
	})
	router.GET("/metrics", func(c *gin.Context) {
		families, err := registry.Gather()
		var text bytes.Buffer
		encoder := expfmt.NewEncoder(&text, expfmt.FmtText)
		for _, family := range families {
			if err == nil {
				err = encoder.Encode(family)
			}
		}
		if err != nil {
			c.Status(http.StatusInternalServerError)
			return
		}
		c.Header("Content-Length", strconv.Itoa(text.Len())) // else it is sent in chunks
		c.Data(http.StatusOK, string(expfmt.FmtText), text.Bytes())
	})
}

func ginRouter(secret []byte, withMetrics bool) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	if withMetrics {
		addMetrics(router)
	}
	router.GET("/healthz", func(c *gin.Context) { c.Data(http.StatusOK, jsonType, status) })
	router.POST("/hooks/:name", func(c *gin.Context) {
		body, err := io.ReadAll(c.Request.Body)
		if err != nil || !authentic(secret, body, c.GetHeader("X-Hub-Signature-256")) {
			c.Status(http.StatusUnauthorized)
			return
		}
		c.Data(http.StatusAccepted, jsonType, queued)
	})
	return router
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go_peer net/http|chi|gin|gin+metrics PORT SECRET")
		os.Exit(64)
	}
	secret := []byte(os.Args[3])
	handlers := map[string]func() http.Handler{
		"net/http":    func() http.Handler { return stdlib(secret) },
		"chi":         func() http.Handler { return chiRouter(secret) },
		"gin":         func() http.Handler { return ginRouter(secret, false) },
		"gin+metrics": func() http.Handler { return ginRouter(secret, true) },
	}
	makeHandler, known := handlers[os.Args[1]]
	if !known {
		fmt.Fprintln(os.Stderr, "no such stack:", os.Args[1])
		os.Exit(64)
	}
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Args[2], makeHandler()))
	os.Exit(1)
}
