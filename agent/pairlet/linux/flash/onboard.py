"""What the board itself runs while it is flashed, in MicroPython: kept short, for it takes heap there.

Sent once a session; every later command is a call of one of these. `F` feeds the watchdog, which a
firmware that ran before may have started and which nothing but a reset stops.
"""

SETUP = """\
import os,hashlib,binascii,json
W=None
try:
 with open('/config.json') as f:
  if json.load(f)['board'].get('watchdog'):
   import machine
   W=machine.WDT(timeout=8000)
except Exception:
 pass
def F():
 if W:W.feed()
def H(n):
 h=hashlib.sha256()
 b=bytearray(512)
 m=memoryview(b)
 with open(n,'rb') as f:
  while 1:
   k=f.readinto(b)
   if not k:break
   h.update(m[:k])
 F()
 return binascii.hexlify(h.digest()).decode()
def D(p):
 try:
  return [(p+'/'+x[0],x[1]&0x4000) for x in os.ilistdir(p or '/')]
 except OSError:
  return []
def L(p):
 d=[p]
 while d:
  for n,s in D(d.pop()):
   if s:d.append(n)
   else:print(json.dumps([n,H(n)]))
def T(n):
 try:
  with open(n,'rb') as f:
   while 1:
    b=f.read(384)
    if not b:break
    print(binascii.b2a_base64(b).decode(),end='')
  return 1
 except OSError:
  return 0
def C(a,b):
 with open(a,'rb') as f:
  with open(b,'wb') as g:
   while 1:
    x=f.read(1024)
    if not x:break
    g.write(x)
    F()
def K(p):
 try:os.mkdir(p)
 except OSError:pass
def R(p):
 try:os.remove(p)
 except OSError:pass
def X(p):
 d=[p]
 a=[]
 while d:
  q=d.pop()
  a.append(q)
  for n,s in D(q):
   if s:d.append(n)
   else:os.remove(n)
   F()
 while a:
  q=a.pop()
  try:os.rmdir(q)
  except OSError:pass
def U(x):
 g.write(binascii.a2b_base64(x))
 F()
def S():
 if hasattr(os,'sync'):os.sync()
"""

# The version line must come even from what is no MicroPython of ours, so it asks for nothing else.
WHO = """\
import sys
i=sys.implementation
print(i.name)
print('.'.join([str(n) for n in i.version[:3]]))
print(getattr(i,'_mpy',0)&255)
print(getattr(i,'_machine',sys.platform))
"""
