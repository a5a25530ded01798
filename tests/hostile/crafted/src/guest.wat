;; A plugin as a core module. Memory that nobody has written to is zero, and a row of zeros is a good answer to everything:
;; `ok`, an empty text, `healthy`. So a function that is not hostile only points at address 16.
;;
;; What stands in double braces is replaced by what makes the plugin hostile. It does that once it is installed: while a
;; host only asks what it is, the state is refused to it, and it behaves.
(module
  (import "jackfield:plugin/state@0.1.0" "get" (func $state-get (param i32 i32 i32)))
  (import "jackfield:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $timer (param i64) (result i32)))
  (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
  (import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "[export]test:crafted/crafted@0.1.0" "[resource-new]token" (func $token (param i32) (result i32)))
  (import "[export]test:crafted/crafted@0.1.0" "[resource-drop]token" (func $drop-token (param i32)))

  (memory (export "memory") {{pages}})
  (table $table 1 funcref)
  (global $hostile (mut i32) (i32.const 0))
  (global $free (mut i32) (i32.const 4096))
  (data (i32.const 8) "key")
  ;; Of `deep`: `ok`, and from 8 bytes behind it a `some` for each level, and 1.
  (data (i32.const 2056) "\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01\01")
  {{fields}}

  ;; Called when all imports are there. Whether the state answered is in the first byte of the answer.
  (func (export "_initialize")
    (call $state-get (i32.const 8) (i32.const 3) (i32.const 1024))
    (global.set $hostile (i32.eqz (i32.load8_u (i32.const 1024))))
    {{always}}
    (if (global.get $hostile) (then {{start}})))

  (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
    (if (global.get $hostile) (then {{allocate}}))
    (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.get $free)
    (global.set $free (i32.add (global.get $free) (local.get $new))))

  (func $each (if (global.get $hostile) (then {{each}})))

  (func (export "jackfield:plugin/lifecycle@0.1.0#describe") (result i32) (call $each) (i32.const 16))
  (func (export "jackfield:plugin/lifecycle@0.1.0#check-health") (result i32) (call $each) (i32.const 16))
  (func (export "jackfield:plugin/lifecycle@0.1.0#validate-config") (param i32 i32) (result i32)
    (call $each) (i32.const 16))
  (func (export "jackfield:plugin/lifecycle@0.1.0#migrate-config") (param i32 i32 i32 i32) (result i32)
    (call $each) (i32.const 16))
  (func (export "test:crafted/crafted@0.1.0#deep") (result i32) (call $each) (i32.const 2048))
  (func (export "test:crafted/crafted@0.1.0#rest") (result i32) (call $each) (i32.const 16))

  (func (export "test:crafted/crafted@0.1.0#act") (param i32 i32) (result i32)
    (call $each)
    (if (global.get $hostile) (then {{act}}))
    (i32.const 16))
  ;; Called when the host has read the answer of `act`.
  (func (export "cabi_post_test:crafted/crafted@0.1.0#act") (param i32)
    (if (global.get $hostile) (then {{after}})))
  ;; Called when a token is dropped.
  (func (export "test:crafted/crafted@0.1.0#[dtor]token") (param i32)
    (if (global.get $hostile) (then {{destroy}})))
)
